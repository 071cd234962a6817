"""An audit's page in a real browser: `judge_html.py PAGE AXE FOLDER USERS [FILTER EXPECTED]`.

Nothing in it may fail, ask the network or be a serious hindrance (axe-core), light or dark, wide or narrow; its filter and its
sorting work. Screenshots are put into the folder. Prints how long it took to open.
"""

import pathlib
import sys

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

page, axe, folder, users = sys.argv[1:5]
expected = dict(zip(sys.argv[5::2], map(int, sys.argv[6::2])))
users = int(users)
wrong = []


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--window-size=1280,900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


def visible(driver):
    return driver.execute_script(
        "const t = document.getElementById('users');"
        "return t ? Array.from(t.tBodies[0].rows).filter((r) => !r.hidden).map((r) => r.cells[0].textContent) : [];"
    )


driver = browser()
driver.set_script_timeout(300)
try:
    driver.get(pathlib.Path(page).resolve().as_uri())
    opened_ms = driver.execute_script(
        "document.body.getBoundingClientRect(); return Math.round(performance.now());"
    )
    script = pathlib.Path(axe).read_text(encoding="utf-8")
    driver.execute_script(script)
    for scheme in ("light", "dark"):
        for width in (1280, 390):
            media = [{"name": "prefers-color-scheme", "value": scheme}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.save_screenshot(str(pathlib.Path(folder) / f"{scheme}-{width}.png"))
            overflow = driver.execute_script(
                "return document.documentElement.scrollWidth > document.documentElement.clientWidth;"
            )
            if overflow:
                wrong.append(f"{scheme} {width}: the page is wider than the screen")
            if users > 1000:
                continue  # the same rows over and over
            result = driver.execute_async_script(
                "const done = arguments[arguments.length - 1];"
                "axe.run(document).then(done, (error) => done({error: String(error)}));"
            )
            if "error" in result:
                wrong.append(f"axe: {result['error']}")
            for violation in result.get("violations", []):
                if violation["impact"] in ("serious", "critical"):
                    where = [node["target"] for node in violation["nodes"]][:3]
                    wrong.append(f"{scheme} {width}: {violation['id']} ({violation['impact']}): {where}")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    if len(visible(driver)) != users:
        wrong.append(f"{len(visible(driver))} rows for {users} users")
    for words, number in expected.items():
        box = driver.find_element(By.ID, "filter")
        box.clear()
        box.send_keys(words)
        if len(visible(driver)) != number:
            wrong.append(f"`{words}` shows {visible(driver)[:5]}…, {len(visible(driver))} and not {number}")
        said = driver.find_element(By.ID, "shown").text
        if said != f"{number} of {users} users":
            wrong.append(f"`{words}` says: {said}")
        box.clear()
        driver.execute_script("document.getElementById('filter').dispatchEvent(new Event('input'));")
    if users > 1:
        head = driver.find_element(By.CSS_SELECTOR, "#users thead th button")
        before = visible(driver)
        for direction in ("ascending", "descending"):
            head.click()
            names = visible(driver)
            ordered = sorted(before, key=str.lower, reverse=direction == "descending")
            if [name.lower() for name in names] != [name.lower() for name in ordered]:
                wrong.append(f"sorting is not {direction}: {names[:5]}")
            aria = driver.find_element(By.CSS_SELECTOR, "#users thead th").get_attribute("aria-sort")
            if aria != direction:
                wrong.append(f"aria-sort is {aria}")
    # Printed, nothing is folded away.
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    folded = driver.execute_script(
        "return Array.from(document.querySelectorAll('details td')).filter((cell) => !cell.checkVisibility("
        "{contentVisibilityAuto: true})).length;"
    )
    if folded:
        wrong.append(f"{folded} cells are not printed")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    asked = driver.execute_script(
        "return performance.getEntriesByType('resource').map((e) => e.name).filter((n) => !n.startsWith('data:'));"
    )
    if asked:
        wrong.append(f"it asks for {asked}")
    scripts = driver.execute_script(
        "return [document.scripts.length, document.querySelectorAll('img, iframe, object, link[rel=stylesheet]').length];"
    )
    if scripts != [1, 0]:
        wrong.append(f"scripts and the like: {scripts}")
    errors = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    wrong.extend(f"console: {message}" for message in errors)
finally:
    driver.quit()
for line in wrong:
    print(line)
print(f"opened in {opened_ms} ms; {len(wrong)} wrong")
sys.exit(bool(wrong))

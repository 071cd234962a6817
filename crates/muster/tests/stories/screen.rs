//! A program on a pseudo-terminal.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use testkit::{TestEnv, wait_for};

/// A program on a pseudo-terminal, with what it has drawn so far.
pub(crate) struct Screen {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    writer: Box<dyn std::io::Write + Send>,
    parser: Arc<Mutex<vt100::Parser>>,
    raw: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    pub(crate) fn new(env: &TestEnv, args: &[&str], cols: u16, extra: &[(&str, &str)]) -> Self {
        Self::program(env, env.binary(), args, cols, extra)
    }

    /// Starts another program than muster, such as a link to it.
    pub(crate) fn program(
        env: &TestEnv,
        program: &std::path::Path,
        args: &[&str],
        cols: u16,
        extra: &[(&str, &str)],
    ) -> Self {
        let size = PtySize { rows: 60, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.env_clear();
        command.env("HOME", env.path(""));
        command.env("TERM", "xterm-256color");
        for (name, value) in extra {
            command.env(name, value);
        }
        command.args(args);
        command.cwd(env.path(""));
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser =
            Arc::new(Mutex::new(vt100::Parser::new(60.try_into().unwrap(), cols.try_into().unwrap(), 1000)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let (to_parser, to_raw) = (Arc::clone(&parser), Arc::clone(&raw));
        std::thread::spawn(move || {
            // The other end of the terminal must stay open as long as somebody reads it.
            let _master = pair.master;
            let mut bytes = [0; 4096];
            while let Ok(count) = reader.read(&mut bytes) {
                if count == 0 {
                    break;
                }
                to_parser.lock().unwrap().process(&bytes[..count]);
                to_raw.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { child, writer, parser, raw }
    }

    pub(crate) fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// Returns everything that was written so far, as it was written.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw.lock().unwrap()).into_owned()
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        let text_without_breaks = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        wait_for(&format!("`{text}`"), || text_without_breaks(&self.text()).contains(text));
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    pub(crate) fn ends(mut self) -> (u32, String) {
        let status = self.child.wait().unwrap().exit_code();
        std::thread::sleep(std::time::Duration::from_millis(100));
        let raw = String::from_utf8_lossy(&self.raw.lock().unwrap()).into_owned();
        (status, raw)
    }
}

//! QR codes for a terminal.

use qrcode::{Color, QrCode};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// How a terminal can be drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawing {
    /// With colours of our own, black on white, which reads alike on dark and light backgrounds.
    Colors,
    /// Without: what is drawn comes in the terminal's own colour, taken to be light on dark.
    Plain,
}

/// Modules of quiet around a code. Source: ISO/IEC 18004.
const QUIET: usize = 4;

/// Draws a text as a QR code, two modules to a character; `None` if it is too long for one.
pub fn draw_qr(text: &SecretString, drawing: Drawing) -> Option<Zeroizing<String>> {
    let code = QrCode::new(text.expose_secret()).ok()?;
    let (width, colors) = (code.width(), code.to_colors());
    let side = width + 2 * QUIET;
    let dark = |x: usize, y: usize| {
        let inside = (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
        inside && colors[(y - QUIET) * width + x - QUIET] == Color::Dark
    };
    let mut drawn = Zeroizing::new(String::with_capacity(side * side * 2));
    for y in (0..side).step_by(2) {
        if drawing == Drawing::Colors {
            drawn.push_str("\x1b[30;107m");
        }
        for x in 0..side {
            let (above, below) = (dark(x, y), y + 1 < side && dark(x, y + 1));
            // With colours the ink is black; without, it is the light of the terminal.
            let (above, below) = if drawing == Drawing::Colors { (above, below) } else { (!above, !below) };
            drawn.push(match (above, below) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        if drawing == Drawing::Colors {
            drawn.push_str("\x1b[0m");
        }
        drawn.push('\n');
    }
    Some(drawn)
}

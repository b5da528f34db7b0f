//! A QR code (ISO/IEC 18004) for a terminal, two modules in each character.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// Black on white whatever the colours of the terminal, if it has any; else for a dark one. None for a text that is too long.
pub(crate) fn draw(text: &str, colour: bool) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    // Light modules are drawn, dark ones are left out: the background of most terminals is dark.
    let drawn = code.render().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build();
    let line = |line: &str| if colour { format!("\u{1b}[97;40m{line}\u{1b}[0m\n") } else { format!("{line}\n") };
    Some(drawn.lines().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the drawing back, without the quiet zone of four modules; dark is true.
    fn modules(drawing: &str) -> Vec<Vec<bool>> {
        let halves = |c| match c {
            '\u{2588}' => (false, false),
            '\u{2580}' => (false, true),
            '\u{2584}' => (true, false),
            ' ' => (true, true),
            other => panic!("{other:?}"),
        };
        let rows = drawing.lines().flat_map(|line| {
            let (upper, lower): (Vec<bool>, Vec<bool>) = line.chars().map(halves).unzip();
            [upper, lower]
        });
        rows.collect()
    }

    #[test]
    fn the_drawing_is_the_code() {
        let text = "https://login.example/device?user_code=BCDFGHJKL";
        let code = QrCode::new(text).unwrap();
        let rows = modules(&draw(text, false).unwrap());
        let side = code.width();
        assert_eq!(rows[0].len(), side + 8);
        assert!(rows[..4].iter().flatten().all(|dark| !dark));
        for (y, expected) in code.to_colors().chunks(side).enumerate() {
            let expected: Vec<bool> = expected.iter().map(|c| *c == qrcode::Color::Dark).collect();
            assert_eq!(rows[y + 4][4..side + 4], expected, "row {y}");
        }
        let coloured = draw(text, true).unwrap();
        assert_eq!(coloured.replace("\u{1b}[97;40m", "").replace("\u{1b}[0m", ""), draw(text, false).unwrap());
        assert!(draw(&"x".repeat(5000), false).is_none());
    }
}

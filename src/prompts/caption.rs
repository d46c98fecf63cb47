//! Caption cleaning of LlamaGen's text-to-image models: what the prompts went through before T5 in
//! training (`clean_caption` of the authors' language/t5.py; the numbers in comments count its steps).
//!
//! The original parses HTML and repairs mojibake with libraries. Here tags and comments are removed, all
//! entities of HTML resolved (those without semicolon too, as HTML does), UTF-8 that was read as
//! Windows-1252 is decoded where the bytes leave no doubt, and the text is composed (NFC); everything
//! else is the same expressions. Not done: the tree repair of a whole HTML parser, and mojibake of other
//! encodings, which the original decides by statistics.

use htmlize::unescape;
use regex::Regex;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// Cleans a caption as the program does, twice over. Some ordinary prompts become empty.
pub fn clean(caption: &str) -> String {
    clean_once(&clean_once(caption))
}

/// One pass.
pub fn clean_once(caption: &str) -> String {
    // 1
    let text = percent_decode(caption).trim().to_lowercase().replace("<person>", "person");
    // 2, 3
    let text = strip_tags(&WEB_ADDRESSES.apply(text));
    // 3 to 8
    let mut text = BEFORE_REPAIR.apply(text);
    // 9
    if text.matches(['-', '_']).count() > 3 {
        text = text.replace(['-', '_'], " ");
    }
    // 10
    let text: String = narrow(&repair_mojibake(&unescape(text))).nfc().collect();
    let text = unescape(unescape(text)).trim().to_owned();
    // 11 to 13
    let text = AFTER_REPAIR.apply(text);
    // 14. Not trimmed before: behind a blank, a comma at the end stays for the second pass.
    ENDS.apply(text).trim().to_owned()
}

/// Expressions and what replaces their matches, in order.
struct Rules(Vec<(Regex, &'static str)>);

impl Rules {
    #[expect(
        clippy::expect_used,
        reason = "the expressions are constants, all of which tests compile"
    )]
    fn new(rules: &[(&str, &'static str)]) -> Self {
        let compile = |&(pattern, with): &(&str, &'static str)| {
            (Regex::new(pattern).expect("the expressions are constants"), with)
        };
        Self(rules.iter().map(compile).collect())
    }

    fn apply(&self, text: String) -> String {
        self.0
            .iter()
            .fold(text, |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
    }
}

static WEB_ADDRESSES: LazyLock<Rules> = LazyLock::new(|| {
    const DOTTED_NAME: &str = r"[a-z0-9.\-]+\.(?:com|co|ru|net|org|edu|gov|it)[\w/\-]*\b/?";
    let with_scheme =
        |scheme: &str| format!(r"\b(?:{scheme}:(?:/{{1,3}}|[a-z0-9%])|{DOTTED_NAME})");
    Rules::new(&[(&with_scheme("https?"), ""), (&with_scheme("www"), "")])
});

static BEFORE_REPAIR: LazyLock<Rules> = LazyLock::new(|| {
    Rules::new(&[
        (r"@\w+\b", ""),
        // 4: CJK strokes to ideographs; kana outside these ranges stay
        (r"[\u{31c0}-\u{31ef}\u{31f0}-\u{33ff}\u{3400}-\u{4dbf}\u{4dc0}-\u{9fff}]+", ""),
        // 5
        (r"\p{Pd}+", "-"),
        ("[`´«»“”¨]", "\""),
        ("[‘’]", "'"),
        // 6
        ("&quot;?", ""),
        ("&amp", ""),
        (r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", " "),
        (r"\d:\d\d\s+$", ""),
        (r"\\n", " "),
        // 7
        (r"#\d{1,3}\b", ""),
        (r"#\d{5,}\b", ""),
        (r"\b\d{6,}\b", ""),
        (r"\S+\.(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)", ""),
        // 8
        (r#"["']{2,}"#, "\""),
        (r"\.{2,}", " "),
        (r"[#®•©™&@·º½¾¿¡§~()\[\]{}|\\/*]+", " "),
        (r"\s+\.\s+", " "),
    ])
});

static AFTER_REPAIR: LazyLock<Rules> = LazyLock::new(|| {
    Rules::new(&[
        // 11
        (r"\b[a-zA-Z]{1,3}\d{3,15}\b", ""),
        (r"\b[a-zA-Z]+\d+[a-zA-Z]+\b", ""),
        (r"\b\d+[a-zA-Z]+\d+\b", ""),
        // 12
        (r"(?:worldwide\s+)?(?:free\s+)?shipping", ""),
        (r"(?:free\s)?download(?:\sfree)?", ""),
        (r"\bclick\b\s(?:for|on)\s\w+", ""),
        (r"\b(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)(?:\simages?)?", ""),
        (r"\bpage\s+\d+\b", ""),
        (r"\b\d*[a-zA-Z]+\d+[a-zA-Z]+\d+[a-zA-Z\d]*\b", " "),
        (r"\b\d+\.?\d*[xх×]\d+\.?\d*\b", ""),
        // 13
        (r"\b\s+:\s+", ": "),
        (r"(\D[,./])\b", "$1 "),
        (r"\s+", " "),
    ])
});

static ENDS: LazyLock<Rules> = LazyLock::new(|| {
    Rules::new(&[
        (r#"(?s)\A["'](.+)["']\z"#, "$1"),
        (r"\A['_,\-:;]", ""),
        (r"['_,\-:+]\z", ""),
        (r"\A\.\S+\z", ""),
    ])
});

/// Form-style percent decoding: plus is a space, bytes that are no UTF-8 become the replacement
/// character, a percent sign without two hexadecimal digits stays.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match (byte, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(decoded)) => {
                bytes.push(decoded);
                rest = after.get(2..).unwrap_or(&[]);
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Removes tags and comments and resolves entities. A `<` that begins neither stays.
fn strip_tags(text: &str) -> String {
    static TAG: LazyLock<Rules> =
        LazyLock::new(|| Rules::new(&[(r"(?s)<!--.*?-->|<[/!?]?[a-z][^>]*>", "")]));
    unescape(TAG.apply(text.to_owned())).into_owned()
}

/// Characters that Windows-1252 has at the bytes 0x80 to 0x9F; the others there are unused.
const WINDOWS_1252: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";

fn windows_1252_byte(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ 0xA0..=0xFF => u8::try_from(code).ok(),
        // A no-break space that some program made plain.
        0x20 => Some(0xA0),
        _ => {
            let place = WINDOWS_1252.chars().position(|other| other == character)?;
            u8::try_from(0x80 + place).ok()
        }
    }
}

/// Three or four characters that are the bytes of one UTF-8 character read as Windows-1252 ("â€™"), and
/// two that are the bytes of a Latin letter ("Ã©"), become that character. Other pairs are letters and
/// signs that do stand side by side.
fn repair_mojibake(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut repaired = String::with_capacity(text.len());
    let mut rest = characters.as_slice();
    while let Some((&first, after)) = rest.split_first() {
        let length = match first {
            'à'..='ï' => 3,
            'ð'..='ô' => 4,
            'Â' | 'Ã' => 2,
            _ => 1,
        };
        let found = rest.get(..length).filter(|_| length > 1).and_then(|bytes| {
            let bytes: Option<Vec<u8>> = bytes.iter().map(|&c| windows_1252_byte(c)).collect();
            let decoded = String::from_utf8(bytes?).ok()?;
            // A letter before a space is more often just that; "â" has no word of its own.
            (first == 'â' || !rest.get(..length)?.contains(&' ')).then_some(decoded)
        });
        match found {
            Some(decoded) => {
                repaired.push_str(&decoded);
                rest = rest.get(length..).unwrap_or(&[]);
            }
            None => {
                repaired.push(first);
                rest = after;
            }
        }
    }
    repaired
}

/// Full-width forms become ASCII, ligatures their letters, control characters nothing.
fn narrow(text: &str) -> String {
    let mut narrow = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{ff01}'..='\u{ff5e}' => {
                narrow.extend(char::from_u32(u32::from(character) - 0xFEE0));
            }
            '\u{3000}' => narrow.push(' '),
            'ﬀ' => narrow.push_str("ff"),
            'ﬁ' => narrow.push_str("fi"),
            'ﬂ' => narrow.push_str("fl"),
            'ﬃ' => narrow.push_str("ffi"),
            'ﬄ' => narrow.push_str("ffl"),
            'ﬅ' | 'ﬆ' => narrow.push_str("st"),
            '“' | '”' => narrow.push('"'),
            '‘' | '’' => narrow.push('\''),
            _ if character.is_control() && !character.is_whitespace() => {}
            _ => narrow.push(character),
        }
    }
    narrow
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn web_addresses_are_removed() {
        assert_eq!(clean("see www.example.com/cats now"), "see now");
        assert_eq!(clean("see https://example.org a cat"), "see a cat");
    }

    #[test]
    fn mojibake_of_letters_is_repaired() {
        assert_eq!(repair_mojibake("cafÃ© â€œ"), "café “");
        assert_eq!(repair_mojibake("crÃ e âge"), "crÃ e âge");
    }

    #[test]
    fn every_entity_of_html_is_resolved() {
        assert_eq!(
            clean("caf&eacute cr&egrave;me &hearts; &rarr; &#x3b1; &#946;"),
            "café crème ♥ → α β"
        );
        // Resolved once, then "&amp" is taken out without its semicolon.
        assert_eq!(clean("fish &amp;amp; chips"), "fish ; chips");
        assert_eq!(clean("a &notanentity; b"), "a ¬anentity; b");
    }

    #[test]
    fn text_is_composed() {
        assert_eq!(clean("cafe\u{301} a\u{30a}ngstrom"), "café ångstrom");
    }

    #[test]
    fn mojibake_is_repaired_where_the_bytes_leave_no_doubt() {
        assert_eq!(repair_mojibake("ðŸ˜€ ï¼¡ é€ "), "😀 Ａ é€ ");
        for text in ["voilà «x", "à ô", "é½", "naïve ï", "São"] {
            assert_eq!(repair_mojibake(text), text);
        }
    }

    proptest! {
        #[test]
        fn plain_words_stay(words in prop::collection::vec("[b-df-hj-np-t]{2,8}", 1..6)) {
            let text = words.join(" ");
            prop_assume!(!["jpg", "pdf", "png", "bmp"].iter().any(|word| text.contains(word)));
            prop_assert_eq!(clean(&text), text);
        }

        #[test]
        fn any_text_is_cleaned(text in ".{0,200}") {
            let _ = clean(&text);
        }
    }
}

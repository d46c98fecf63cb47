//! What a prompt of the built-in model asks for: which things, in which colours, where, and on what
//! ground. The other direction of [`Grammar`]'s completion.

use crate::prompts::grammar::{Grammar, Subject};

/// Side of the square that a single thing is drawn in, in pixels of a picture of 128.
const LARGE: u32 = 96;
/// Side of the square of one of several things.
const SMALL: u32 = 64;

/// A square of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Square {
    /// Side.
    pub size: u32,
    /// Leftmost column.
    pub left: u32,
    /// Topmost row.
    pub top: u32,
}

/// One thing that a prompt asks for, as indices into the grammar's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thing {
    /// Which subject.
    pub subject: usize,
    /// In which tint; `None` in its own colours.
    pub tint: Option<usize>,
    /// Where it belongs.
    pub place: Square,
}

/// Everything that a prompt asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// One to four things.
    pub things: Vec<Thing>,
    /// Index of the ground's colour; `None` where any will do.
    pub ground: Option<usize>,
}

/// Subject and tint of a thing that has no place yet.
type Named = (usize, Option<usize>);

impl Scene {
    /// Reads a prompt; `None` for what the grammar does not make.
    pub fn of(prompt: &str, grammar: &Grammar) -> Option<Self> {
        let prompt = prompt.to_lowercase();
        let words: Vec<&str> = prompt.split_whitespace().collect();
        let (subject, ground) = match words.as_slice() {
            [subject @ .., "on", ground] => {
                (subject, Some(grammar.grounds.iter().position(|name| name == ground)?))
            }
            subject => (subject, None),
        };
        let things = counted(subject, grammar)
            .or_else(|| related(subject, grammar))
            .or_else(|| Some(placed(&[object(subject, grammar)?], &[(LARGE, 16, 16)])))?;
        Some(Self { things, ground })
    }
}

/// "three red cats"
fn counted(words: &[&str], grammar: &Grammar) -> Option<Vec<Thing>> {
    let [count, words @ ..] = words else { return None };
    let count = grammar.counts.iter().position(|name| name == count)? + 2;
    let named = named(words, grammar, |subject| &subject.plural)?;
    let corners = [(SMALL, 0, 0), (SMALL, 64, 0), (SMALL, 0, 64), (SMALL, 64, 64)];
    let places: &[_] = match count {
        2 => &[(SMALL, 0, 32), (SMALL, 64, 32)],
        3 => &[(SMALL, 32, 0), (SMALL, 0, 64), (SMALL, 64, 64)],
        _ => &corners,
    };
    Some(placed(&vec![named; count], places))
}

/// "a cat left of a red dog"
fn related(words: &[&str], grammar: &Grammar) -> Option<Vec<Thing>> {
    grammar.relations.iter().find_map(|relation| {
        let between: Vec<&str> = relation.split_whitespace().collect();
        let at = words.windows(between.len().max(1)).position(|window| window == between)?;
        let first = object(words.get(..at)?, grammar)?;
        let second = object(words.get(at + between.len()..)?, grammar)?;
        let (left, right) = ((SMALL, 0, 32), (SMALL, 64, 32));
        let (top, bottom) = ((SMALL, 32, 0), (SMALL, 32, 64));
        let places = match relation.as_str() {
            "right of" => [right, left],
            "above" => [top, bottom],
            "below" => [bottom, top],
            _ => [left, right],
        };
        Some(placed(&[first, second], &places))
    })
}

/// "a red cat"
fn object(words: &[&str], grammar: &Grammar) -> Option<Named> {
    match words {
        ["a" | "an", words @ ..] => named(words, grammar, |subject| &subject.singular),
        _ => None,
    }
}

/// "red cat" or "cat"; `name` takes the singular or the plural.
fn named(words: &[&str], grammar: &Grammar, name: fn(&Subject) -> &String) -> Option<Named> {
    let (tint, word) = match words {
        [word] => (None, word),
        [tint, word] => (Some(grammar.tints.iter().position(|name| name == tint)?), word),
        _ => return None,
    };
    Some((grammar.subjects.iter().position(|subject| name(subject) == word)?, tint))
}

fn placed(things: &[Named], places: &[(u32, u32, u32)]) -> Vec<Thing> {
    let pairs = things.iter().zip(places);
    pairs
        .map(|(&(subject, tint), &(size, left, top))| Thing {
            subject,
            tint,
            place: Square { size, left, top },
        })
        .collect()
}

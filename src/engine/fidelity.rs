//! Prompt fidelity of the built-in model: whether a picture shows what its prompt names. GenEval's idea
//! (arXiv 2310.11513) for a world whose things are known exactly: every place where a thing belongs is
//! compared with every picture of a thing, in every tint, on the prompt's ground.
//!
//! `distance = mean (picture - template)²` over pixels and channels, numbers in 0..1, where a template is a
//! sprite over the ground. A place is looked for at offsets of up to two tokens; the smallest distance
//! decides, and under [`KNOWN`] that thing was drawn.

use crate::prompts::grammar::Grammar;
use crate::prompts::scene::{Scene, Square, Thing};
use image::{RgbImage, RgbaImage};

/// Side of the pictures that are judged.
const SIDE: u32 = 128;
/// Distances under this mean that a thing was drawn.
const KNOWN: f64 = 0.02;
/// Offsets at which a place is looked for, in pixels.
const OFFSETS: [i64; 5] = [-16, -8, 0, 8, 16];
/// Largest mean squared difference of a pixel that has the ground's colour.
const SAME_COLOUR: f64 = 0.01;
/// Share of the pixels outside the things that must have it.
const GROUND_SHARE: f64 = 0.9;

/// Colours of grounds before they are lightened. White and black are used as they are.
const COLOURS: [(&str, [u8; 3]); 12] = [
    ("red", [226, 60, 60]),
    ("orange", [245, 150, 40]),
    ("yellow", [250, 215, 70]),
    ("green", [80, 180, 80]),
    ("blue", [70, 120, 230]),
    ("purple", [150, 90, 210]),
    ("pink", [245, 150, 190]),
    ("brown", [140, 95, 60]),
    ("white", [250, 250, 250]),
    ("gray", [150, 155, 165]),
    ("black", [40, 40, 48]),
    ("cyan", [120, 215, 235]),
];

type Colour = [f64; 3];

fn ground_colour(name: &str) -> Option<Colour> {
    let (_, colour) = COLOURS.iter().find(|(known, _)| *known == name)?;
    let colour = colour.map(|value| f64::from(value) / 255.0);
    let as_it_is = matches!(name, "white" | "black");
    Some(if as_it_is { colour } else { colour.map(|value| 0.45 * value + 0.55) })
}

fn squared_difference(a: Colour, b: Colour) -> f64 {
    a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / 3.0
}

/// What was found where a thing belongs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The nearest thing and its tint, if it is near enough to be one.
    pub drawn: Option<(usize, Option<usize>)>,
    /// Its distance.
    pub distance: f64,
    /// Where it was found.
    pub place: Square,
}

/// What a picture shows of what its prompt names.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// One for every thing of the scene.
    pub found: Vec<Found>,
    /// Every thing is the named one.
    pub objects: bool,
    /// And has its tint.
    pub tints: bool,
    /// The rest has the ground's colour.
    pub ground: bool,
}

/// Judges pictures of the built-in model.
pub struct Judge {
    grammar: Grammar,
    /// Sheets of sprites: a row a subject, a column a tint, none first.
    sheets: [RgbaImage; 2],
}

impl Judge {
    /// A judge with two sheets of sprites, small and large. `None` if a sheet has no row for every subject
    /// of the grammar or no column for every tint.
    pub fn new(grammar: Grammar, sheets: [RgbaImage; 2]) -> Option<Self> {
        let (rows, columns) = (grammar.subjects.len() as u32, grammar.tints.len() as u32 + 1);
        let fits = |sheet: &RgbaImage| {
            let size = sheet.width() / columns;
            size > 0 && size <= SIDE && sheet.dimensions() == (columns * size, rows * size)
        };
        sheets.iter().all(fits).then_some(Self { grammar, sheets })
    }

    /// The words that the judge knows.
    pub fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    /// Compares a picture with what its prompt names. `None` for a prompt that is none of the grammar, or a
    /// picture of another size than the model's.
    pub fn judge(&self, picture: &RgbImage, prompt: &str) -> Option<Verdict> {
        let scene = Scene::of(prompt, &self.grammar)?;
        if picture.dimensions() != (SIDE, SIDE) {
            return None;
        }
        let pixels: Vec<Colour> =
            picture.pixels().map(|pixel| pixel.0.map(|value| f64::from(value) / 255.0)).collect();
        let ground = match scene.ground {
            Some(index) => ground_colour(self.grammar.grounds.get(index)?)?,
            None => nearest_ground(&pixels)?,
        };
        let found: Vec<Found> = scene
            .things
            .iter()
            .map(|thing| self.find(&pixels, thing, ground))
            .collect::<Option<_>>()?;
        let all = |right: fn((usize, Option<usize>), &Thing) -> bool| {
            let mut pairs = found.iter().zip(&scene.things);
            pairs.all(|(found, thing)| found.drawn.is_some_and(|drawn| right(drawn, thing)))
        };
        Some(Verdict {
            objects: all(|(subject, _), thing| subject == thing.subject),
            tints: all(|drawn, thing| drawn == (thing.subject, thing.tint)),
            ground: ground_is_right(&pixels, &found, ground),
            found,
        })
    }

    /// The nearest sprite around the place of a thing. `None` if no sheet has its size.
    fn find(&self, pixels: &[Colour], thing: &Thing, ground: Colour) -> Option<Found> {
        let place = thing.place;
        let columns = self.grammar.tints.len() as u32 + 1;
        let sheet = self.sheets.iter().find(|sheet| sheet.width() / columns == place.size)?;
        let places: Vec<Square> = OFFSETS
            .iter()
            .flat_map(|dy| OFFSETS.iter().map(move |dx| (dx, dy)))
            .filter_map(|(dx, dy)| moved(place, *dx, *dy))
            .collect();
        // The named thing first: where it is drawn, all others are given up after a few rows.
        let mut subjects: Vec<usize> = (0..self.grammar.subjects.len()).collect();
        subjects.sort_by_key(|&subject| subject != thing.subject);
        let mut best: Option<Found> = None;
        for subject in subjects {
            for column in 0..columns {
                let template = template(sheet, subject as u32, column, place.size, ground);
                for &place in &places {
                    let bound = best.map_or(f64::INFINITY, |found| found.distance);
                    let Some(distance) = distance(pixels, &template, place, bound) else {
                        continue;
                    };
                    let tint = (column as usize).checked_sub(1);
                    let drawn = (distance < KNOWN).then_some((subject, tint));
                    best = Some(Found { drawn, distance, place });
                }
            }
        }
        best
    }
}

/// The square at an offset, if it lies within the picture.
fn moved(place: Square, dx: i64, dy: i64) -> Option<Square> {
    let within = |start: u32, offset: i64| {
        let start = u32::try_from(i64::from(start) + offset).ok()?;
        (start + place.size <= SIDE).then_some(start)
    };
    Some(Square { left: within(place.left, dx)?, top: within(place.top, dy)?, ..place })
}

/// A sprite over the ground, row by row.
fn template(sheet: &RgbaImage, row: u32, column: u32, size: u32, ground: Colour) -> Vec<Colour> {
    let pixel = |x: u32, y: u32| {
        let [red, green, blue, alpha] =
            sheet.get_pixel(column * size + x, row * size + y).0.map(|v| f64::from(v) / 255.0);
        let over = |colour: f64, ground: f64| ground * (1.0 - alpha) + colour * alpha;
        [over(red, ground[0]), over(green, ground[1]), over(blue, ground[2])]
    };
    (0..size).flat_map(|y| (0..size).map(move |x| (x, y))).map(|(x, y)| pixel(x, y)).collect()
}

/// Mean squared difference, `None` as soon as it is no smaller than `bound`.
fn distance(pixels: &[Colour], template: &[Colour], place: Square, bound: f64) -> Option<f64> {
    let Square { size, left, top } = place;
    let count = f64::from(size * size);
    let mut sum = 0.0;
    for (y, row) in template.chunks_exact(size as usize).enumerate() {
        let start = (top as usize + y) * SIDE as usize + left as usize;
        let seen = pixels.get(start..start + size as usize)?;
        sum += seen.iter().zip(row).map(|(&a, &b)| squared_difference(a, b)).sum::<f64>();
        if sum >= bound * count {
            return None;
        }
    }
    Some(sum / count)
}

/// The ground that is nearest to the median pixel, channel by channel.
fn nearest_ground(pixels: &[Colour]) -> Option<Colour> {
    let mut median = [0.0; 3];
    for (channel, median) in median.iter_mut().enumerate() {
        let mut values: Vec<f64> = pixels.iter().map(|pixel| pixel[channel]).collect();
        values.sort_by(f64::total_cmp);
        *median = *values.get(values.len() / 2)?;
    }
    let grounds = COLOURS.iter().filter_map(|(name, _)| ground_colour(name));
    grounds.min_by(|a, b| squared_difference(*a, median).total_cmp(&squared_difference(*b, median)))
}

fn ground_is_right(pixels: &[Colour], found: &[Found], ground: Colour) -> bool {
    let covered = |index: usize| {
        let (x, y) = (index as u32 % SIDE, index as u32 / SIDE);
        found.iter().any(|Found { place: Square { size, left, top }, .. }| {
            (*left..left + size).contains(&x) && (*top..top + size).contains(&y)
        })
    };
    let outside = pixels.iter().enumerate().filter(|(index, _)| !covered(*index));
    let (mut all, mut same) = (0_u32, 0_u32);
    for (_, &pixel) in outside {
        all += 1;
        same += u32::from(squared_difference(pixel, ground) < SAME_COLOUR);
    }
    all == 0 || f64::from(same) > GROUND_SHARE * f64::from(all)
}

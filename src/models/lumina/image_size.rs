//! Sizes of Lumina-mGPT 2.0's images, which stand in the prompt: grid, scale and template follow from
//! them.

use crate::compute::error::ModelError;
use crate::guidance::schedule::ScaleRule;
use crate::prompts::template::PromptTemplate;

const START: &str = "<racm3:break>";
const END_OF_TURN: &str = "<reserved08706>";
/// `<reserved08800 + n>` says n times 32 pixels.
const SIZE_TOKENS: usize = 8800;
const PIXELS_PER_SIZE: usize = 32;
/// Pixels on a side of one code.
pub(super) const PIXELS_PER_CODE: usize = 8;

/// Size of an image in pixels; both sides are multiples of 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    /// Columns of pixels.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
}

impl ImageSize {
    /// Whether the model draws such images.
    ///
    /// # Errors
    /// A side that is 0 or no multiple of 32 pixels.
    pub fn validate(self) -> Result<(), ModelError> {
        let fits = |side: usize| side > 0 && side.is_multiple_of(PIXELS_PER_SIZE);
        if fits(self.width) && fits(self.height) {
            return Ok(());
        }
        Err(ModelError::Config(format!(
            "an image of {} × {} pixels; choose multiples of {PIXELS_PER_SIZE}",
            self.width, self.height
        )))
    }

    /// Rows and columns of codes.
    pub fn grid(self) -> (usize, usize) {
        (self.height / PIXELS_PER_CODE, self.width / PIXELS_PER_CODE)
    }

    /// Image tokens of a run: the codes and one row end per row.
    pub fn tokens(self) -> usize {
        let (rows, columns) = self.grid();
        rows * (columns + 1)
    }

    /// The original's own rule for the scale: it decays from γ to 4 within a few dozen steps.
    pub fn scale_rule(self) -> ScaleRule {
        let side = |side: usize| side / PIXELS_PER_SIZE;
        ScaleRule::Decaying { area: 4 * side(self.height) * side(self.width) }
    }

    /// What stands around a prompt. The image's own head `start, height, width` is the whole
    /// unconditional prefix.
    pub fn template(self, begin: &str) -> PromptTemplate {
        let size = |side: usize| format!("<reserved{:05}>", SIZE_TOKENS + side / PIXELS_PER_SIZE);
        let head = format!("{START}{}{}", size(self.height), size(self.width));
        let request = format!(
            "{begin}Generate an image of {}x{} according to the following prompt:\n",
            self.width, self.height
        );
        PromptTemplate {
            before_negative: request.clone(),
            before: request,
            after: format!("{END_OF_TURN}{head}"),
            unconditional: head,
            unconditional_shown: "No text: the sequence begins at the image.".into(),
            ..PromptTemplate::default()
        }
    }
}

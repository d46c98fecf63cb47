//! What the class-conditional families share: codes and classes by number, their limits, and the
//! prefixes of the two branches.

use crate::compute::error::ModelError;
use crate::compute::kv_cache::KvCache;
use crate::compute::rows::Prefix;
use crate::prompts::condition::{Condition, Prefixes};

/// The two kinds of ids a class-conditional model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassIds {
    /// Number of codes: tokens are 0 up to it.
    pub codebook_size: usize,
    /// Number of classes; the class of this number is the null class of the unconditional branch.
    pub classes: usize,
}

impl ClassIds {
    /// The class asked for, and the null class.
    ///
    /// # Errors
    /// A prompt, or a class the model does not have.
    pub fn prefixes(&self, condition: &Condition) -> Result<Prefixes, ModelError> {
        match condition {
            Condition::Class(class) if (*class as usize) < self.classes => Ok(Prefixes {
                conditional: Prefix::Class(*class),
                unconditional: Prefix::Class(u32::try_from(self.classes).unwrap_or(u32::MAX)),
            }),
            Condition::Class(class) => Err(ModelError::Condition(format!(
                "there is no class {class}; this model knows the classes 0 to {}",
                self.classes.saturating_sub(1)
            ))),
            Condition::Prompt { .. } => Err(ModelError::Condition(
                "this model draws classes, not prompts; choose a class".to_string(),
            )),
        }
    }

    /// The class that sequence `index` stands under, the null class included.
    ///
    /// # Errors
    /// No such sequence, a prefix of another kind, or a class the model does not have.
    pub fn class_of(&self, caches: &[KvCache], index: usize) -> Result<u32, ModelError> {
        let cache = caches
            .get(index)
            .ok_or(ModelError::Internal("a row names a cache that does not exist"))?;
        match cache.prefix() {
            Prefix::Class(class) if *class as usize <= self.classes => Ok(*class),
            _ => Err(ModelError::Internal("a sequence does not start with a class of its model")),
        }
    }

    /// A token, checked to be a code: ids beyond the codes are classes in some tables.
    ///
    /// # Errors
    /// A token beyond the codebook.
    pub fn code(&self, token: u32) -> Result<u32, ModelError> {
        if (token as usize) < self.codebook_size {
            Ok(token)
        } else {
            Err(ModelError::Internal("a token lies beyond the codebook"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: ClassIds = ClassIds { codebook_size: 8, classes: 3 };

    #[test]
    fn the_null_class_follows_the_last_class() {
        let prefixes = IDS.prefixes(&Condition::Class(2)).unwrap();
        assert!(matches!(prefixes.conditional, Prefix::Class(2)));
        assert!(matches!(prefixes.unconditional, Prefix::Class(3)));
    }

    #[test]
    fn classes_and_codes_out_of_range_are_refused() {
        let message = IDS.prefixes(&Condition::Class(3)).unwrap_err().to_string();
        assert!(message.contains("0 to 2"), "{message}");
        let prompt = Condition::Prompt { text: "a cat".into(), negative: None };
        assert!(IDS.prefixes(&prompt).is_err());
        assert_eq!(IDS.code(7).unwrap(), 7);
        assert!(IDS.code(8).is_err());
    }
}

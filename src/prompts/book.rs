//! Prompts of the text-conditional families: encoding, the words a model knows, the grammar of the
//! built-in model for completion and random prompts.

use crate::compute::error::ModelError;
use crate::compute::rows::Prefix;
use crate::prompts::check::{MAX_PROMPT_CHARACTERS, Remembered};
use crate::prompts::condition::{Condition, Prefixes};
use crate::prompts::grammar::{Grammar, choice};
use crate::prompts::template::{PromptTemplate, Reading, markers_in};
use std::collections::HashSet;
use tokenizers::{ModelWrapper, Tokenizer};

/// Completions offered at once where there is no grammar.
const MAX_COMPLETIONS: usize = 40;

/// Encodes prompts and knows the model's words.
pub struct PromptBook {
    pub(super) tokenizer: Tokenizer,
    template: PromptTemplate,
    /// Longest prefix in tokens.
    limit: usize,
    /// Words for completion, sorted; empty for open vocabularies.
    words: Vec<String>,
    /// The same words, for looking up.
    pub(super) known: HashSet<String>,
    /// Special tokens, which a prompt may not contain.
    pub(super) specials: Vec<String>,
    /// Grammar of the built-in model.
    grammar: Option<Grammar>,
    /// Prompts that the model was seen to draw well; empty where nobody measured.
    drawn_well: Vec<String>,
    /// Whether words outside `words` are unknown to the model.
    pub(super) closed: bool,
    /// Prompts that were looked at.
    pub(super) remembered: Remembered,
}

impl PromptBook {
    /// Prompts for the tokenizer in `tokenizer_json` (the Hugging Face form). `limit` is the longest
    /// prefix in tokens. The vocabulary is closed if the tokenizer is one of whole words.
    ///
    /// # Errors
    /// A tokenizer that is damaged, or lacks a marker `<|…|>` of the template.
    pub fn new(
        tokenizer_json: &[u8],
        template: PromptTemplate,
        limit: usize,
        grammar: Option<Grammar>,
    ) -> Result<Self, ModelError> {
        let tokenizer = Tokenizer::from_bytes(tokenizer_json)
            .map_err(|error| ModelError::Config(format!("the text tokenizer: {error}")))?;
        let specials: Vec<String> = tokenizer
            .get_added_tokens_decoder()
            .into_values()
            .filter(|token| token.special)
            .map(|token| token.content)
            .collect();
        let (closed, unknown) = match tokenizer.get_model() {
            ModelWrapper::WordLevel(model) => (true, model.unk_token.clone()),
            _ => (false, String::new()),
        };
        let mut words = Vec::new();
        if closed {
            words.extend(tokenizer.get_vocab(true).into_keys());
            words.retain(|word| !specials.contains(word) && *word != unknown);
            words.sort_unstable();
        }
        let known = words.iter().cloned().collect();
        let book = Self {
            tokenizer,
            template,
            limit,
            words,
            known,
            specials,
            grammar,
            drawn_well: Vec::new(),
            closed,
            remembered: Remembered::default(),
        };
        book.check_markers()?;
        Ok(book)
    }

    /// The same with the prompts that the model was seen to draw well.
    pub fn with_drawn_well(self, prompts: Vec<String>) -> Self {
        Self { drawn_well: prompts, ..self }
    }

    /// Prompts that the model was seen to draw well; empty where nobody measured.
    pub fn drawn_well(&self) -> &[String] {
        &self.drawn_well
    }

    fn check_markers(&self) -> Result<(), ModelError> {
        let PromptTemplate { before, after, unconditional, .. } = &self.template;
        for text in [before, after, unconditional] {
            for marker in markers_in(text) {
                if self.tokenizer.token_to_id(marker).is_none() {
                    return Err(ModelError::Config(format!(
                        "the text tokenizer has no {marker}; it belongs to another model"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Words for completion, sorted; empty for open vocabularies.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Grammar of the built-in model.
    pub fn grammar(&self) -> Option<&Grammar> {
        self.grammar.as_ref()
    }

    /// What stands around a prompt.
    pub fn template(&self) -> &PromptTemplate {
        &self.template
    }

    /// Longest prefix in tokens.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Entries of the tokenizer, special tokens included.
    pub fn vocabulary_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The id of a token by its name.
    pub fn token_id(&self, name: &str) -> Option<u32> {
        self.tokenizer.token_to_id(name)
    }

    /// Token ids of the conditional branch.
    ///
    /// # Errors
    /// Those of [`PromptBook::check`].
    pub fn conditional(&self, prompt: &str) -> Result<Vec<u32>, ModelError> {
        self.check_text(prompt)?;
        self.encode(&format!("{}{prompt}{}", self.template.before, self.template.after))
    }

    /// Token ids of the unconditional branch: the template's, or those of a text that a person typed.
    ///
    /// # Errors
    /// Those of [`PromptBook::check`].
    pub fn unconditional(&self, negative: Option<&str>) -> Result<Vec<u32>, ModelError> {
        let Some(negative) = negative else { return self.encode(&self.template.unconditional) };
        self.check_text(negative)?;
        self.encode(&format!("{}{negative}{}", self.template.before_negative, self.template.after))
    }

    /// The whole text of the unconditional branch, markers included, for the record of a run.
    pub fn unconditional_text(&self, negative: Option<&str>) -> String {
        let PromptTemplate { before_negative, after, unconditional, unconditional_shown, .. } =
            &self.template;
        match (negative, self.template.reading) {
            (Some(negative), _) => format!("{before_negative}{negative}{after}"),
            (None, Reading::AsTyped) => unconditional.clone(),
            (None, Reading::Caption) => unconditional_shown.clone(),
        }
    }

    /// Prefixes of both branches.
    ///
    /// # Errors
    /// A class, an empty prompt, one that is too long, or those of [`PromptBook::check`].
    pub fn prefixes(&self, condition: &Condition) -> Result<Prefixes, ModelError> {
        let Condition::Prompt { text, negative } = condition else {
            return Err(ModelError::Condition("This model draws prompts. Type a prompt.".into()));
        };
        if text.trim().is_empty() {
            return Err(ModelError::Condition("The prompt is empty. Type one.".into()));
        }
        let conditional = self.conditional(text)?;
        let unconditional = self.unconditional(negative.as_deref())?;
        for ids in [&conditional, &unconditional] {
            if ids.len() > self.limit {
                return Err(ModelError::Condition(format!(
                    "The prompt takes {} tokens and the model has room for {}. Shorten it.",
                    ids.len(),
                    self.limit
                )));
            }
        }
        Ok(Prefixes {
            conditional: Prefix::Tokens(conditional),
            unconditional: Prefix::Tokens(unconditional),
        })
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        // Markers stand in the text; the tokenizer adds none of its own.
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|error| {
            ModelError::Condition(format!("The tokenizer refuses the prompt: {error}."))
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Words that may stand at `cursor` (in characters) after the words before it, and that begin
    /// with the letters already typed there. Where the text has left the grammar, all words that
    /// begin so; nothing for open vocabularies.
    pub fn completions(&self, text: &str, cursor: usize) -> Vec<String> {
        let before: String = text.chars().take(cursor.min(MAX_PROMPT_CHARACTERS)).collect();
        let (rest, typed) = match before.rfind(char::is_whitespace) {
            Some(space) => {
                let width = before[space..].chars().next().map_or(1, char::len_utf8);
                before.split_at(space + width)
            }
            None => ("", before.as_str()),
        };
        let typed = typed.to_lowercase();
        let words: Vec<&str> = rest.split_whitespace().collect();
        let begins = |word: &&str| word.starts_with(&typed) && **word != typed;
        if let Some(next) = self.grammar.as_ref().and_then(|grammar| grammar.next_words(&words)) {
            return next.into_iter().filter(begins).map(str::to_owned).collect();
        }
        if typed.is_empty() {
            return Vec::new();
        }
        let words = self.words.iter().map(String::as_str).filter(begins);
        words.take(MAX_COMPLETIONS).map(str::to_owned).collect()
    }

    /// A prompt that is drawn well or, where nobody measured, any of the grammar; the same for the same
    /// seed. `None` without a grammar.
    pub fn random_prompt(&self, seed: u64) -> Option<String> {
        let grammar = self.grammar.as_ref()?;
        match choice(&self.drawn_well, seed) {
            Some(prompt) => Some(prompt.clone()),
            None => grammar.random_prompt(seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::grammar::Subject;
    use proptest::prelude::*;

    const TOKENIZER: &[u8] = br#"{"version":"1.0","truncation":null,"padding":null,
        "added_tokens":[
          {"id":1,"content":"<|go|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
          {"id":2,"content":"<|end|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
        "normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"WhitespaceSplit"},
        "post_processor":null,"decoder":null,
        "model":{"type":"WordLevel","unk_token":"<unk>","vocab":{"<unk>":0,"<|go|>":1,"<|end|>":2,
          "a":3,"an":4,"two":5,"left":6,"of":7,"on":8,"red":9,"owl":10,"owls":11,"cat":12,"cats":13,
          "and":14,"orange":15}}}"#;

    fn grammar() -> Grammar {
        let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
        let subject = |singular: &str, plural: &str, article: &str| Subject {
            singular: singular.into(),
            plural: plural.into(),
            article: article.into(),
        };
        Grammar {
            relations: words(&["left of", "and"]),
            counts: words(&["two"]),
            tints: words(&["red", "orange"]),
            grounds: words(&["red", "orange"]),
            subjects: vec![subject("owl", "owls", "an"), subject("cat", "cats", "a")],
        }
    }

    fn book() -> PromptBook {
        let template = PromptTemplate::markers("<|go|>", "<|end|>");
        PromptBook::new(TOKENIZER, template, 16, Some(grammar())).unwrap()
    }

    #[test]
    fn prefixes_hold_the_markers_and_the_words_only() {
        let book = book();
        assert_eq!(book.conditional("A red  OWL").unwrap(), [1, 3, 9, 10, 2]);
        assert_eq!(book.unconditional(None).unwrap(), [1, 2]);
        assert_eq!(book.unconditional(Some("a cat")).unwrap(), [1, 3, 12, 2]);
    }

    #[test]
    fn unknown_words_are_named_once_in_order_as_typed() {
        let check = book().check("a Zebra on a red zebra and Gnu zebra, <unk>").unwrap();
        assert_eq!(check.unknown_words, ["Zebra", "Gnu", "zebra,", "<unk>"]);
        assert_eq!((check.tokens, check.limit), (12, 16));
    }

    #[test]
    fn unusable_texts_are_refused_with_a_reason() {
        let book = book();
        let message = |text: &str| book.check(text).unwrap_err().to_string();
        assert!(message("a \u{7}cat").contains("U+0007"));
        assert!(message("a <|end|> cat").contains("<|end|>"));
        assert!(message(&"cat ".repeat(100_000)).contains("10000 characters"));
        assert!(message(&"é".repeat(10_001)).contains("10000 characters"));
        assert_eq!(book.check(&"é".repeat(10_000)).unwrap().tokens, 3);
        let prompt = |text: &str| Condition::Prompt { text: text.into(), negative: None };
        for text in ["", "  \n"] {
            assert!(book.prefixes(&prompt(text)).unwrap_err().to_string().contains("empty"));
        }
        let long = book.prefixes(&prompt(&"cat ".repeat(15))).unwrap_err().to_string();
        assert!(long.contains("17 tokens") && long.contains("room for 16"), "{long}");
        assert!(book.prefixes(&prompt(&"cat ".repeat(14))).is_ok());
        assert!(book.prefixes(&Condition::Class(1)).is_err());
    }

    #[test]
    fn what_does_not_fit_is_shown() {
        let check = book().check("a cat and a dog cat cat cat cat cat cat cat cat an owl").unwrap();
        assert_eq!((check.tokens, check.count().as_str()), (17, "17 of 16 tokens"));
        assert_eq!(check.beyond.as_deref(), Some("owl"));
        assert!(!check.cuts && check.warning().is_none(), "refused, not cut");
        assert_eq!(book().check("a cat").unwrap().beyond, None);
        // The unconditional prompt is measured with what stands before it in its own branch.
        let template = PromptTemplate {
            before_negative: "<|go|>a ".into(),
            ..PromptTemplate::markers("<|go|>", "<|end|>")
        };
        let book = PromptBook::new(TOKENIZER, template, 16, None).unwrap();
        assert_eq!(book.check("cat").unwrap().tokens, 3);
        assert_eq!(book.check_unconditional("cat").unwrap().tokens, 4);
        assert_eq!(book.unconditional_text(Some("cat")), "<|go|>a cat<|end|>");
        assert_eq!(book.unconditional_text(None), "<|go|><|end|>");
    }

    #[test]
    fn captions_are_counted_cleaned_and_cut() {
        let book = PromptBook::new(TOKENIZER, PromptTemplate::caption(), 4, None).unwrap();
        // Three words and the end token.
        let check = book.check("A  cat red").unwrap();
        assert_eq!((check.tokens, check.limit, check.beyond), (4, 4, None));
        assert_eq!(check.cleaned, None, "letter case and blanks are no change");
        let check = book.check("a cat on red and owls (two)").unwrap();
        assert_eq!(check.beyond.as_deref(), Some("red and owls two"));
        assert_eq!(check.cleaned.as_deref(), Some("a cat on red and owls two"));
        assert!(check.warning().is_some_and(|text| text.contains("last 4 tokens")));
        let check = book.check("Free shipping").unwrap();
        assert_eq!((check.tokens, check.cleaned.as_deref()), (1, Some("")));
        assert!(check.warning().is_some_and(|text| text.contains("nothing")));
    }

    #[test]
    fn a_tokenizer_without_the_markers_is_refused() {
        let template = PromptTemplate::markers("<|t2i|>", "<|soi|>");
        let error = PromptBook::new(TOKENIZER, template, 16, None).err().unwrap().to_string();
        assert!(error.contains("<|t2i|>"), "{error}");
        assert!(PromptBook::new(b"{", PromptTemplate::markers("", ""), 16, None).is_err());
    }

    #[test]
    fn completions_follow_the_grammar() {
        let book = book();
        let at_end = |text: &str| book.completions(text, text.chars().count());
        assert_eq!(at_end(""), ["a", "an", "two"]);
        assert_eq!(at_end("a"), ["an"]);
        assert_eq!(at_end("a "), ["red", "cat"]);
        assert_eq!(at_end("An "), ["orange", "owl"]);
        assert_eq!(at_end("an orange c"), ["cat"]);
        assert_eq!(at_end("a cat "), ["on", "left", "and"]);
        assert_eq!(at_end("a cat left "), ["of"]);
        assert_eq!(at_end("a cat left of an owl "), ["on"]);
        assert_eq!(at_end("two red "), ["owls", "cats"]);
        assert_eq!(at_end("a cat on red "), Vec::<String>::new());
        assert_eq!(at_end("nonsense o"), ["of", "on", "orange", "owl", "owls"]);
        assert_eq!(book.completions("a c on red", 3), ["cat"]);
    }

    #[test]
    fn a_book_without_grammar_has_no_random_prompt() {
        let template = PromptTemplate::markers("<|go|>", "<|end|>");
        let book = PromptBook::new(TOKENIZER, template, 16, None).unwrap();
        assert_eq!(book.random_prompt(1), None);
        assert_eq!(book.completions("ow", 2), ["owl", "owls"]);
    }

    proptest! {
        #[test]
        fn random_prompts_are_valid_and_repeatable(seed: u64) {
            let book = book();
            let prompt = book.random_prompt(seed).unwrap();
            prop_assert_eq!(&prompt, &book.random_prompt(seed).unwrap());
            let words: Vec<&str> = prompt.split(' ').collect();
            prop_assert!(grammar().accepts(&words), "{}", prompt);
            prop_assert!(book.check(&prompt).unwrap().unknown_words.is_empty());
        }

        #[test]
        fn any_text_is_answered(text in ".{0,200}", cursor in 0usize..250) {
            let book = book();
            let _ = (book.check(&text), book.completions(&text, cursor));
        }
    }
}

//! The prompt grammar of the built-in model (`grammar.json`): which words may follow the words typed
//! so far, and random prompts.
//!
//! ```text
//! prompt  := subject [" on " ground]
//! subject := object | object relation object | count [tint] plural
//! object  := article [tint] singular
//! ```

use serde::Deserialize;

/// The groups of words that the grammar is made of.
#[derive(Debug, Clone, Deserialize)]
pub struct Grammar {
    /// Words between two objects: "left of", …
    pub relations: Vec<String>,
    /// "two", "three", …
    pub counts: Vec<String>,
    /// Colours of an object.
    pub tints: Vec<String>,
    /// Colours of the ground.
    pub grounds: Vec<String>,
    /// What can be drawn.
    pub subjects: Vec<Subject>,
}

/// One thing the built-in model can draw.
#[derive(Debug, Clone, Deserialize)]
pub struct Subject {
    /// "cat"
    pub singular: String,
    /// "cats"
    pub plural: String,
    /// "a" or "an"
    pub article: String,
}

/// What the words so far leave open. The position says whether an object may be related to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State<'a> {
    Start,
    Article {
        article: &'a str,
        second: bool,
    },
    TintedObject {
        second: bool,
    },
    Object {
        second: bool,
    },
    /// Within relation `relation`, `words` of its words read.
    Relation {
        relation: &'a str,
        words: usize,
    },
    Related,
    Count,
    TintedCount,
    Plural,
    On,
    Ground,
}

impl Grammar {
    /// The words that may follow `words`, in the grammar's order, each once; `None` if `words` do not
    /// begin any prompt.
    pub fn next_words(&self, words: &[&str]) -> Option<Vec<&str>> {
        let mut next = Vec::new();
        for (word, _) in self.states_after(words)?.into_iter().flat_map(|s| self.successors(s)) {
            if !next.contains(&word) {
                next.push(word);
            }
        }
        Some(next)
    }

    /// Whether `words` are a whole prompt.
    #[cfg(test)]
    pub(super) fn accepts(&self, words: &[&str]) -> bool {
        let whole =
            |state: &State| matches!(state, State::Object { .. } | State::Plural | State::Ground);
        self.states_after(words).is_some_and(|states| states.iter().any(whole))
    }

    fn states_after(&self, words: &[&str]) -> Option<Vec<State<'_>>> {
        let mut states = vec![State::Start];
        for word in words {
            states = states
                .into_iter()
                .flat_map(|state| self.successors(state))
                .filter(|(next, _)| next.eq_ignore_ascii_case(word))
                .map(|(_, state)| state)
                .collect();
            if states.is_empty() {
                return None;
            }
        }
        Some(states)
    }

    /// The words that may follow a state and the states they lead to.
    fn successors<'a>(&'a self, state: State<'a>) -> Vec<(&'a str, State<'a>)> {
        match state {
            State::Start => {
                let counts = self.counts.iter().map(|count| (count.as_str(), State::Count));
                self.articles(false).into_iter().chain(counts).collect()
            }
            State::Related => self.articles(true),
            State::Article { article, second } => {
                let tints = self
                    .tints
                    .iter()
                    .filter(|tint| article_of(tint) == article)
                    .map(|tint| (tint.as_str(), State::TintedObject { second }));
                let subjects = self
                    .subjects
                    .iter()
                    .filter(|subject| subject.article == article)
                    .map(|subject| (subject.singular.as_str(), State::Object { second }));
                tints.chain(subjects).collect()
            }
            State::TintedObject { second } => self
                .subjects
                .iter()
                .map(|s| (s.singular.as_str(), State::Object { second }))
                .collect(),
            State::Object { second: false } => {
                let relations = self.relations.iter().filter_map(|r| relation_word(r, 0));
                std::iter::once(("on", State::On)).chain(relations).collect()
            }
            State::Relation { relation, words } => {
                relation_word(relation, words).into_iter().collect()
            }
            State::Count => {
                let tints = self.tints.iter().map(|tint| (tint.as_str(), State::TintedCount));
                tints.chain(self.plurals()).collect()
            }
            State::TintedCount => self.plurals().collect(),
            State::Object { second: true } | State::Plural => vec![("on", State::On)],
            State::On => self.grounds.iter().map(|g| (g.as_str(), State::Ground)).collect(),
            State::Ground => Vec::new(),
        }
    }

    fn articles(&self, second: bool) -> Vec<(&str, State<'_>)> {
        let mut articles: Vec<&str> = self.subjects.iter().map(|s| s.article.as_str()).collect();
        articles.extend(self.tints.iter().map(|tint| article_of(tint)));
        articles.sort_unstable();
        articles.dedup();
        articles.into_iter().map(|article| (article, State::Article { article, second })).collect()
    }

    fn plurals(&self) -> impl Iterator<Item = (&str, State<'_>)> {
        self.subjects.iter().map(|subject| (subject.plural.as_str(), State::Plural))
    }

    /// A prompt drawn from the grammar, the same for the same seed; `None` if a group is empty.
    ///
    /// Two related objects are different things, and a named ground has not the colour of an object,
    /// so that everything asked for can be seen.
    pub fn random_prompt(&self, seed: u64) -> Option<String> {
        let mut random = SplitMix(seed);
        let mut tints = Vec::new();
        let first = random.choose(&self.subjects)?;
        let subject = match random.below(6) {
            0 | 1 => self.object(first, &mut tints, &mut random)?,
            2 => {
                let count = random.choose(&self.counts)?;
                let tint = self.maybe_tint(&mut tints, &mut random)?;
                format!("{count} {tint}{}", first.plural)
            }
            _ => {
                let others: Vec<&Subject> =
                    self.subjects.iter().filter(|s| s.singular != first.singular).collect();
                let relation = random.choose(&self.relations)?;
                let left = self.object(first, &mut tints, &mut random)?;
                let right = self.object(random.choose(&others)?, &mut tints, &mut random)?;
                format!("{left} {relation} {right}")
            }
        };
        if random.below(3) == 0 {
            return Some(subject);
        }
        let grounds: Vec<&String> = self.grounds.iter().filter(|g| !tints.contains(g)).collect();
        // The objects may have taken all colours of the ground.
        match random.choose(&grounds) {
            Some(ground) => Some(format!("{subject} on {ground}")),
            None => Some(subject),
        }
    }

    fn object<'a>(
        &'a self,
        subject: &Subject,
        tints: &mut Vec<&'a String>,
        random: &mut SplitMix,
    ) -> Option<String> {
        let tint = self.maybe_tint(tints, random)?;
        let article = if tint.is_empty() { subject.article.as_str() } else { article_of(&tint) };
        Some(format!("{article} {tint}{}", subject.singular))
    }

    /// A tint and a space, or nothing.
    fn maybe_tint<'a>(
        &'a self,
        tints: &mut Vec<&'a String>,
        random: &mut SplitMix,
    ) -> Option<String> {
        if random.below(2) == 0 {
            return Some(String::new());
        }
        let tint = random.choose(&self.tints)?;
        tints.push(tint);
        Some(format!("{tint} "))
    }
}

/// The article before a colour.
fn article_of(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// Word number `index` of a relation and the state after it.
fn relation_word(relation: &str, index: usize) -> Option<(&str, State<'_>)> {
    let mut words = relation.split_whitespace().skip(index);
    let word = words.next()?;
    let state = match words.next() {
        Some(_) => State::Relation { relation, words: index + 1 },
        None => State::Related,
    };
    Some((word, state))
}

/// One of `from`, the same for the same seed; `None` of nothing.
pub(super) fn choice<T>(from: &[T], seed: u64) -> Option<&T> {
    SplitMix(seed).choose(from)
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough for choosing words.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn choose<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}

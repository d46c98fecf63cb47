//! The ImageNet-1k classes in the order all class-conditional models know them by, and the search
//! among them. Names and synsets come from the lists of timm (see NOTICE).

use std::cmp::Reverse;

/// Lines of synset, first name and further names, after comments.
const CLASSES: &str = include_str!("../../assets/imagenet-classes.txt");

/// A class with the names it can be searched by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassName {
    /// Index the model knows it by.
    pub id: u32,
    /// First name.
    pub name: String,
    /// Other names, and the synset.
    pub synonyms: Vec<String>,
}

/// All 1000 classes; synonyms end with the synset, for example "n01440764".
pub fn classes() -> Vec<ClassName> {
    let lines = CLASSES.lines().filter(|line| !line.starts_with('#'));
    (0u32..)
        .zip(lines)
        .map(|(id, line)| {
            let mut fields = line.split('\t');
            let synset = fields.next().unwrap_or_default();
            let name = fields.next().unwrap_or_default().to_string();
            let further = fields.next().unwrap_or_default();
            let mut synonyms: Vec<String> =
                further.split(", ").filter(|s| !s.is_empty()).map(String::from).collect();
            synonyms.push(synset.to_string());
            ClassName { id, name, synonyms }
        })
        .collect()
}

/// Classes of a model that has `count` of them: ImageNet's if there are 1000, else numbers.
pub fn classes_of(count: usize) -> Vec<ClassName> {
    let imagenet = classes();
    if count == imagenet.len() {
        return imagenet;
    }
    (0u32..)
        .take(count)
        .map(|id| ClassName { id, name: format!("class {id}"), synonyms: Vec::new() })
        .collect()
}

/// How well a class answers a query; later variants answer better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    InsideSynonym,
    InsideName,
    NumberStart,
    SynonymWordStart,
    NameWordStart,
    SynonymStart,
    NameStart,
    Synonym,
    Name,
    Number,
}

/// Indices into `classes` of those that answer a query by name, synonym, synset or number, the best
/// first; all of them in order for an empty query. Letter case does not matter.
pub fn search(classes: &[ClassName], query: &str) -> Vec<usize> {
    let query = query.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if query.is_empty() {
        return (0..classes.len()).collect();
    }
    let mut found: Vec<(Reverse<Rank>, usize)> = classes
        .iter()
        .enumerate()
        .filter_map(|(index, class)| Some((Reverse(rank(class, &query)?), index)))
        .collect();
    found.sort();
    found.into_iter().map(|(_, index)| index).collect()
}

fn rank(class: &ClassName, query: &str) -> Option<Rank> {
    let number = class.id.to_string();
    let by_number = if number == query {
        Some(Rank::Number)
    } else {
        number.starts_with(query).then_some(Rank::NumberStart)
    };
    let name = class.name.to_lowercase();
    let ranks = [Rank::Name, Rank::NameStart, Rank::NameWordStart, Rank::InsideName];
    let by_name = rank_text(&name, query, ranks);
    let ranks = [Rank::Synonym, Rank::SynonymStart, Rank::SynonymWordStart, Rank::InsideSynonym];
    let synonyms = class.synonyms.iter();
    let by_synonym =
        synonyms.filter_map(|synonym| rank_text(&synonym.to_lowercase(), query, ranks)).max();
    by_number.max(by_name).max(by_synonym)
}

/// `ranks` are those of: the same text, its start, the start of a word, anywhere inside.
fn rank_text(text: &str, query: &str, ranks: [Rank; 4]) -> Option<Rank> {
    let [same, start, word, inside] = ranks;
    if text == query {
        Some(same)
    } else if text.starts_with(query) {
        Some(start)
    } else if text.match_indices(query).any(|(at, _)| text[..at].ends_with([' ', '-'])) {
        Some(word)
    } else {
        text.contains(query).then_some(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_thousand_classes_in_the_usual_order() {
        let classes = classes();
        assert_eq!(classes.len(), 1000);
        let known = [
            (0, "tench"),
            (1, "goldfish"),
            (7, "cock"),
            (207, "golden retriever"),
            (282, "tiger cat"),
            (404, "airliner"),
            (999, "toilet tissue"),
        ];
        for (id, name) in known {
            assert_eq!((classes[id].id as usize, classes[id].name.as_str()), (id, name));
        }
        let synsets: Vec<&String> = classes.iter().filter_map(|c| c.synonyms.last()).collect();
        assert!(synsets.iter().all(|s| s.len() == 9 && s.starts_with('n')));
        assert!(synsets.is_sorted(), "ImageNet-1k is sorted by synset");
        assert!(classes.iter().all(|class| !class.name.is_empty()));
    }

    #[test]
    fn search_finds_by_number_name_synonym_and_synset() {
        let classes = classes();
        let first = |query: &str| search(&classes, query).first().copied();
        assert_eq!(first("207"), Some(207));
        assert_eq!(first("Golden  Retriever"), Some(207));
        assert_eq!(first("Tinca tinca"), Some(0));
        assert_eq!(first("n02690373"), Some(404));
        assert_eq!(first("goldf"), Some(1));
        assert_eq!(first("no such animal"), None);
        assert_eq!(search(&classes, "  ").len(), 1000);
        // Two classes are called crane, and the whole name stands before names that contain it.
        assert_eq!(search(&classes, "crane")[..2], [134, 517]);
    }

    #[test]
    fn whole_words_stand_before_parts_of_words() {
        let classes = classes();
        let found = search(&classes, "cat");
        let position = |id: usize| found.iter().position(|&index| index == id);
        // "tiger cat" has the word, "bobcat"-like names only the letters.
        let inside = classes
            .iter()
            .position(|c| {
                c.name.contains("cat") && !c.name.split([' ', '-']).any(|w| w.starts_with("cat"))
            })
            .unwrap();
        assert!(position(282) < position(inside));
    }

    #[test]
    fn other_numbers_of_classes_are_numbered() {
        assert_eq!(classes_of(1000)[1].name, "goldfish");
        let ten = classes_of(10);
        assert_eq!((ten.len(), ten[9].name.as_str()), (10, "class 9"));
    }
}

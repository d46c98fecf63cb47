//! Which tensors of a pickle are the model's weights, and what they are called.
//!
//! A file is the state dict itself, or a dict that holds it under `model`, `module`, `state_dict` or
//! `model_state` beside optimizer state and settings, or a tree of TorchScript modules.

use crate::checkpoint::pickle_calls;
use crate::checkpoint::pickle_value::{Node, Pickle, TensorRef, Value, readable};
use std::rc::Rc;

/// Keys under which training programs keep the weights, the most telling first.
const WEIGHT_KEYS: [&str; 4] = ["model", "module", "state_dict", "model_state"];
/// Keys of averaged weights; offered, and taken when there is nothing else.
const AVERAGE_KEYS: [&str; 3] = ["ema", "model_ema", "ema_model"];
const MAX_DEPTH: usize = 64;
const MAX_ATTRIBUTES: usize = 200_000;

/// Weights found in a pickle.
#[derive(Debug, Default)]
pub(crate) struct StateDict {
    pub(crate) tensors: Vec<(String, TensorRef)>,
    /// Names under which something else stands than a tensor, with what was called for it.
    pub(crate) unknown: Vec<(String, Rc<str>)>,
    /// The key it stood under; `None` for a flat file or a module tree.
    pub(crate) weight_set: Option<String>,
    /// Other keys that hold weights.
    pub(crate) alternatives: Vec<String>,
    /// Whether the file is a tree of TorchScript modules.
    pub(crate) scripted: bool,
}

/// Why a pickle gives no weights.
#[derive(Debug)]
pub(crate) enum NoWeights {
    /// What it holds instead.
    Instead(String),
    /// A set of weights was asked for that it does not hold; the whole sentence.
    NoEntry(String),
    /// They depend on what this call would have made.
    Unknown(Rc<str>),
}

impl From<String> for NoWeights {
    fn from(found: String) -> Self {
        Self::Instead(found)
    }
}

/// Collects the weights, those under `wanted` if a key is given.
///
/// # Errors
/// What the file holds instead of weights, or the call that they depend on.
pub(crate) fn collect(pickle: &Pickle, wanted: Option<&str>) -> Result<StateDict, NoWeights> {
    if let Some(Node::Object { class, .. }) = pickle.node(&pickle.root) {
        if !pickle_calls::is_scripted(class) {
            return Err(format!("it is an object of {}", readable(class)).into());
        }
        let mut found = StateDict { scripted: true, ..StateDict::default() };
        walk_module(pickle, &pickle.root, &mut String::new(), 0, &mut 0, &mut found)?;
        return match (found.tensors.is_empty(), found.unknown.first()) {
            (false, _) => Ok(found),
            (true, Some((_, callable))) => Err(NoWeights::Unknown(callable.clone())),
            (true, None) => Err("a module without weights".to_owned().into()),
        };
    }
    let alternatives: Vec<String> = WEIGHT_KEYS
        .iter()
        .chain(&AVERAGE_KEYS)
        .filter(|key| pickle.get(&pickle.root, key).is_some_and(|v| table(pickle, v, 0).is_some()))
        .map(|key| (*key).to_owned())
        .collect();
    let (weight_set, dict) = match wanted {
        Some(key) => match pickle.get(&pickle.root, key) {
            Some(dict) => (Some(key.to_owned()), table(pickle, dict, 0)),
            None => {
                let named = match alternatives.as_slice() {
                    [] => "none that can be chosen".into(),
                    known => known.join(", "),
                };
                return Err(NoWeights::NoEntry(format!(
                    "there is no entry \"{key}\" with weights in this file, but {named}; choose another set of weights, or none"
                )));
            }
        },
        None => choose(pickle, &alternatives)?,
    };
    let Some(pairs) = dict.and_then(|dict| pickle.dict(dict)) else {
        return Err(without_tensors(pickle, wanted));
    };
    // Names and values may be remembered ones, so the list can be far larger than the file.
    if pairs.len() > MAX_ATTRIBUTES {
        return Err(format!("a dict of {} entries, more than any model", pairs.len()).into());
    }
    let named = || {
        pairs.iter().filter_map(|(name, value)| match name {
            Value::Text(name) if name.len() <= 512 => Some((name.to_string(), value)),
            _ => None,
        })
    };
    let tensors = named().filter_map(|(name, value)| Some((name, pickle.tensor(value)?.clone())));
    let unknown = named().filter_map(|(name, value)| Some((name, pickle.unknown(value)?.clone())));
    Ok(StateDict {
        tensors: tensors.collect(),
        unknown: unknown.collect(),
        alternatives: alternatives
            .into_iter()
            .filter(|key| weight_set.as_ref() != Some(key))
            .collect(),
        weight_set,
        scripted: false,
    })
}

/// Why a file has no dict of tensors: what is called in place of one or of a tensor in it, if anything
/// is.
fn without_tensors(pickle: &Pickle, wanted: Option<&str>) -> NoWeights {
    let keys = wanted.into_iter().chain(WEIGHT_KEYS).chain(AVERAGE_KEYS);
    let dicts = keys.filter_map(|key| pickle.get(&pickle.root, key)).chain([&pickle.root]);
    let unknown = dicts.into_iter().find_map(|dict| {
        let within = || pickle.dict(dict)?.iter().find_map(|(_, value)| pickle.unknown(value));
        pickle.unknown(dict).or_else(within)
    });
    match unknown {
        Some(callable) => NoWeights::Unknown(callable.clone()),
        None => NoWeights::Instead(describe(pickle)),
    }
}

/// A dict and the key it stands under.
type Chosen<'a> = (Option<String>, Option<&'a Value>);

/// The dict that holds the weights: one of the telling keys, else the file's own dict, else averaged
/// weights.
///
/// # Errors
/// The call that stands where the weights should be, which averages must not replace without a word.
fn choose<'a>(pickle: &'a Pickle, keys: &[String]) -> Result<Chosen<'a>, NoWeights> {
    let under = |key: &String| {
        let dict = pickle.get(&pickle.root, key).and_then(|dict| table(pickle, dict, 0));
        (Some(key.clone()), dict)
    };
    if let Some(key) = keys.iter().find(|key| WEIGHT_KEYS.contains(&key.as_str())) {
        return Ok(under(key));
    }
    if has_tensors(pickle, &pickle.root) {
        return Ok((None, Some(&pickle.root)));
    }
    let mut weights = WEIGHT_KEYS.iter().filter_map(|key| pickle.get(&pickle.root, key));
    match weights.find_map(|value| pickle.unknown(value)) {
        Some(callable) => Err(NoWeights::Unknown(callable.clone())),
        None => Ok(keys.first().map_or((None, None), under)),
    }
}

/// `value` if it is a dict with tensors, or the one inside it under one of the telling keys.
fn table<'a>(pickle: &'a Pickle, value: &'a Value, depth: usize) -> Option<&'a Value> {
    if has_tensors(pickle, value) {
        return Some(value);
    }
    if depth >= 3 {
        return None;
    }
    WEIGHT_KEYS.iter().find_map(|key| table(pickle, pickle.get(value, key)?, depth + 1))
}

fn has_tensors(pickle: &Pickle, value: &Value) -> bool {
    let mut pairs = pickle.dict(value).unwrap_or(&[]).iter();
    pairs.any(|(name, value)| matches!(name, Value::Text(_)) && pickle.tensor(value).is_some())
}

/// Adds the float tensors of a module and of the modules in it, named by their path. Integer buffers
/// (code books of FSQ, counters) are no weights.
fn walk_module(
    pickle: &Pickle,
    value: &Value,
    path: &mut String,
    depth: usize,
    seen: &mut usize,
    found: &mut StateDict,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("its modules nest deeper than any model's".into());
    }
    let Some(Node::Object { state: Some(state), .. }) = pickle.node(value) else { return Ok(()) };
    for (name, value) in pickle.dict(state).unwrap_or(&[]) {
        // A module may stand in several others, so the tree can be far larger than the file.
        *seen += 1;
        if *seen > MAX_ATTRIBUTES {
            return Err("it holds more modules than any model".into());
        }
        let Value::Text(name) = name else { continue };
        if path.len() + name.len() > 512 {
            return Err("a module has a name longer than any model's".into());
        }
        let parent = path.len();
        path.push_str(if parent == 0 { "" } else { "." });
        path.push_str(name);
        match pickle.node(value) {
            Some(Node::Tensor(tensor)) if tensor.storage.dtype.is_float() => {
                found.tensors.push((path.clone(), tensor.clone()));
            }
            Some(Node::Unknown(callable)) => found.unknown.push((path.clone(), callable.clone())),
            Some(Node::Object { .. }) => {
                walk_module(pickle, value, path, depth + 1, seen, found)?;
            }
            _ => {}
        }
        path.truncate(parent);
    }
    Ok(())
}

fn describe(pickle: &Pickle) -> String {
    let Some(pairs) = pickle.dict(&pickle.root) else { return "no dict of tensors".into() };
    let names: Vec<&str> = pairs
        .iter()
        .filter_map(|(name, _)| match name {
            Value::Text(name) if name.len() < 80 => Some(&**name),
            _ => None,
        })
        .take(8)
        .collect();
    if names.is_empty() {
        "an empty dict".into()
    } else {
        format!("a dict of {}", names.join(", "))
    }
}

/// Names without the wrappers of distributed and compiled training: `_orig_mod`, `_fsdp_wrapped_module`
/// and `_forward_module` anywhere, `module.` in front when every name has it.
pub(crate) fn strip_wrappers(names: &mut [&mut String]) {
    const ANYWHERE: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_forward_module"];
    for name in names.iter_mut() {
        if ANYWHERE.iter().any(|wrapper| name.contains(wrapper)) {
            let parts: Vec<&str> =
                name.split('.').filter(|part| !ANYWHERE.contains(part)).collect();
            **name = parts.join(".");
        }
    }
    while !names.is_empty() && names.iter().all(|name| name.starts_with("module.")) {
        names.iter_mut().for_each(|name| drop(name.drain(.."module.".len())));
    }
}

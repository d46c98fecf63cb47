//! What a pickle builds: values that refer to each other by index into one arena.

use crate::checkpoint::entry::ElementType;
use std::rc::Rc;

/// A value; containers are indices into [`Pickle::nodes`].
#[derive(Debug, Clone)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(Rc<str>),
    /// Floats, bytes and long integers: parsed and of no interest.
    Opaque,
    Node(usize),
}

/// A value with contents.
#[derive(Debug)]
pub(crate) enum Node {
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// `module name`, as written. Naming something is harmless, calling it is what is checked.
    Global(Rc<str>),
    /// An instance of an allowed class with the state it was given.
    Object {
        class: Rc<str>,
        state: Option<Value>,
    },
    Storage(Storage),
    Tensor(TensorRef),
    /// A set or a device: understood, and of no interest.
    Opaque,
    /// What a call would have made that is not understood, by the name that was called. Nothing was run,
    /// and what it was given is forgotten.
    Unknown(Rc<str>),
}

/// A block of numbers in the archive.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    pub(crate) key: Rc<str>,
    pub(crate) dtype: ElementType,
    /// Number of values.
    pub(crate) count: u64,
}

/// A view of a storage.
#[derive(Debug, Clone)]
pub(crate) struct TensorRef {
    pub(crate) storage: Storage,
    pub(crate) offset: u64,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<u64>,
}

/// What is wrong with a pickle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PickleError {
    /// It calls something that no harmless file calls.
    Call(String),
    /// It is not well formed.
    Form(String),
}

/// `module.name` of a name that is called.
pub(crate) fn readable(callable: &str) -> String {
    callable.replacen(' ', ".", 1)
}

impl PickleError {
    pub(crate) fn form<T>(reason: impl Into<String>) -> Result<T, Self> {
        Err(Self::Form(reason.into()))
    }
}

/// What a pickle built.
#[derive(Debug)]
pub(crate) struct Pickle {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: Value,
    /// Bytes up to and with the stop operation.
    pub(crate) length: usize,
}

impl Pickle {
    pub(crate) fn node(&self, value: &Value) -> Option<&Node> {
        match value {
            Value::Node(index) => self.nodes.get(*index),
            _ => None,
        }
    }

    /// The pairs of a dict.
    pub(crate) fn dict(&self, value: &Value) -> Option<&[(Value, Value)]> {
        match self.node(value)? {
            Node::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value of a text key of a dict; the last one if there are several, as in Python.
    pub(crate) fn get(&self, dict: &Value, key: &str) -> Option<&Value> {
        let pairs = self.dict(dict)?.iter().rev();
        pairs
            .filter(|(name, _)| matches!(name, Value::Text(text) if **text == *key))
            .map(|(_, v)| v)
            .next()
    }

    /// The tensor that `value` is.
    pub(crate) fn tensor(&self, value: &Value) -> Option<&TensorRef> {
        match self.node(value)? {
            Node::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The name that was called for a value that is not understood.
    pub(crate) fn unknown(&self, value: &Value) -> Option<&Rc<str>> {
        match self.node(value)? {
            Node::Unknown(callable) => Some(callable),
            _ => None,
        }
    }
}

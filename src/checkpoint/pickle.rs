//! A pickle machine that builds values and runs nothing.
//!
//! Python's pickle format is a program for a stack machine. This one keeps dicts, lists, tuples,
//! numbers and text, turns the few calls of PyTorch's own files into tensors (see `pickle_calls`), and
//! keeps of every other call only the name (see `pickle_danger` for those that it stops at). All values live in one arena and refer to each other by
//! index, so neither building nor dropping them recurses however deep a file nests, and an object
//! under two names stays one object. Work is linear in the length of the pickle: every operation
//! takes at least one of its bytes.

use crate::checkpoint::pickle_calls;
use crate::checkpoint::pickle_calls::Outcome;
use crate::checkpoint::pickle_reader::PickleReader;
use crate::checkpoint::pickle_value::{Node, Pickle, PickleError, Value};
use std::collections::HashMap;

/// Longest pickle that is read. The largest real one, of a file with optimizer state, has about 1 MB.
pub(crate) const MAX_PICKLE: u64 = 32 << 20;
const MAX_NODES: usize = 2_000_000;
const MAX_STACK: usize = 200_000;
const MAX_MARKS: usize = 1_000;

impl Pickle {
    /// Runs the machine on the pickle at the start of `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, PickleError> {
        let reader = PickleReader::new(bytes);
        let mut machine = Machine { reader, ..Machine::default() };
        let root = loop {
            if let Some(root) = machine.step()? {
                break root;
            }
        };
        Ok(Self { nodes: machine.nodes, root, length: machine.reader.position() })
    }
}

/// The state between two operations.
#[derive(Default)]
pub(crate) struct Machine<'a> {
    reader: PickleReader<'a>,
    stack: Vec<Value>,
    /// Heights of the stack at the open marks; nothing is popped from below the last.
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
    pub(crate) nodes: Vec<Node>,
}

impl Machine<'_> {
    /// One operation; the result once the stop operation came.
    fn step(&mut self) -> Result<Option<Value>, PickleError> {
        match self.reader.byte()? {
            b'.' => return self.pop().map(Some),
            0x80 => self.protocol()?,
            0x95 => self.reader.skip(8)?,
            b'(' => self.mark()?,
            b'0' => self.pop_or_unmark()?,
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.duplicate()?,
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => self.signed_integer()?,
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'G' => self.opaque_bytes(8)?,
            0x8c => self.text(1)?,
            b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'U' | b'C' => self.sized_bytes(1)?,
            b'T' | b'B' => self.sized_bytes(4)?,
            0x8e | 0x96 => self.sized_bytes(8)?,
            b']' => self.push_node(Node::List(Vec::new()))?,
            b')' => self.push_node(Node::Tuple(Vec::new()))?,
            b'}' => self.push_node(Node::Dict(Vec::new()))?,
            0x8f => self.push_node(Node::Opaque)?,
            b'l' => self.collect(Node::List)?,
            b't' => self.collect(Node::Tuple)?,
            0x91 => self.collect(|_| Node::Opaque)?,
            b'd' => self.collect_dict()?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b'a' => self.append(false)?,
            b'e' => self.append(true)?,
            0x90 => drop(self.pop_to_mark()?),
            b's' => self.set_items(false)?,
            b'u' => self.set_items(true)?,
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            0x94 => self.remember_next()?,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'c' => self.global()?,
            0x93 => self.stack_global()?,
            b'Q' => self.persistent()?,
            b'R' => self.reduce()?,
            0x81 => self.new_object()?,
            b'b' => self.build()?,
            b'i' => self.instance_by_name()?,
            b'o' => self.instance_by_class()?,
            0x92 => self.instance_with_keys()?,
            0x82 => self.extension(1)?,
            0x83 => self.extension(2)?,
            0x84 => self.extension(4)?,
            code => {
                return PickleError::form(format!("operation {code:#04x} is not one of PyTorch's"));
            }
        }
        Ok(None)
    }

    fn protocol(&mut self) -> Result<(), PickleError> {
        match self.reader.byte()? {
            2..=5 => Ok(()),
            other => PickleError::form(format!("protocol {other} is not one of PyTorch's")),
        }
    }

    pub(crate) fn push(&mut self, value: Value) -> Result<(), PickleError> {
        if self.stack.len() >= MAX_STACK {
            return PickleError::form("it nests too deeply");
        }
        self.stack.push(value);
        Ok(())
    }

    pub(crate) fn push_node(&mut self, node: Node) -> Result<(), PickleError> {
        if self.nodes.len() >= MAX_NODES {
            return PickleError::form("it holds more objects than any model");
        }
        self.nodes.push(node);
        self.push(Value::Node(self.nodes.len() - 1))
    }

    pub(crate) fn pop(&mut self) -> Result<Value, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let value = if self.stack.len() > floor { self.stack.pop() } else { None };
        value.ok_or_else(|| PickleError::Form("an operation finds nothing to work on".into()))
    }

    /// The object on top, above the last mark, that an operation changes in place.
    fn top(&self) -> Result<usize, PickleError> {
        match self.last() {
            Some(Value::Node(index)) => Ok(*index),
            _ => PickleError::form("an operation finds no object to work on"),
        }
    }

    fn last(&self) -> Option<&Value> {
        self.stack.get(self.marks.last().copied().unwrap_or(0)..)?.last()
    }

    fn mark(&mut self) -> Result<(), PickleError> {
        if self.marks.len() >= MAX_MARKS {
            return PickleError::form("it nests too deeply");
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, PickleError> {
        match self.marks.pop() {
            Some(floor) if floor <= self.stack.len() => Ok(self.stack.split_off(floor)),
            _ => PickleError::form("an operation finds no mark"),
        }
    }

    fn pop_or_unmark(&mut self) -> Result<(), PickleError> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn duplicate(&mut self) -> Result<(), PickleError> {
        let value = self.pop()?;
        self.push(value.clone())?;
        self.push(value)
    }

    fn integer(&mut self, bytes: u64) -> Result<(), PickleError> {
        let value = self.reader.number(bytes)?;
        self.push(Value::Int(value as i64))
    }

    fn signed_integer(&mut self) -> Result<(), PickleError> {
        let value = self.reader.number(4)? as u32 as i32;
        self.push(Value::Int(value.into()))
    }

    /// A two's-complement integer of a stated length; longer ones than 8 bytes are opaque.
    fn long(&mut self, length_bytes: u64) -> Result<(), PickleError> {
        let length = self.reader.number(length_bytes)?;
        if length > 8 {
            return self.opaque_bytes(length);
        }
        let unused = 64 - 8 * length as u32;
        let value = self.reader.number(length)?;
        let value = if unused == 64 { 0 } else { ((value << unused) as i64) >> unused };
        self.push(Value::Int(value))
    }

    fn opaque_bytes(&mut self, length: u64) -> Result<(), PickleError> {
        self.reader.skip(length)?;
        self.push(Value::Opaque)
    }

    fn sized_bytes(&mut self, length_bytes: u64) -> Result<(), PickleError> {
        let length = self.reader.number(length_bytes)?;
        self.opaque_bytes(length)
    }

    fn text(&mut self, length_bytes: u64) -> Result<(), PickleError> {
        let length = self.reader.number(length_bytes)?;
        let text = self.reader.text(length)?;
        self.push(text)
    }

    fn collect(&mut self, node: impl Fn(Vec<Value>) -> Node) -> Result<(), PickleError> {
        let values = self.pop_to_mark()?;
        self.push_node(node(values))
    }

    fn collect_dict(&mut self) -> Result<(), PickleError> {
        let pairs = pairs(self.pop_to_mark()?)?;
        self.push_node(Node::Dict(pairs))
    }

    fn tuple(&mut self, length: usize) -> Result<(), PickleError> {
        let mut values = Vec::with_capacity(length);
        for _ in 0..length {
            values.push(self.pop()?);
        }
        values.reverse();
        self.push_node(Node::Tuple(values))
    }

    fn append(&mut self, to_mark: bool) -> Result<(), PickleError> {
        let values = if to_mark { self.pop_to_mark()? } else { vec![self.pop()?] };
        let list = self.top()?;
        match self.nodes.get_mut(list) {
            Some(Node::List(list)) => list.extend(values),
            Some(Node::Unknown(_)) => {}
            _ => return PickleError::form("a value is appended to what is not a list"),
        }
        Ok(())
    }

    fn set_items(&mut self, to_mark: bool) -> Result<(), PickleError> {
        let values = if to_mark {
            self.pop_to_mark()?
        } else {
            let value = self.pop()?;
            vec![self.pop()?, value]
        };
        let pairs = pairs(values)?;
        let dict = self.top()?;
        match self.nodes.get_mut(dict) {
            Some(Node::Dict(dict)) => dict.extend(pairs),
            Some(Node::Unknown(_)) => {}
            _ => return PickleError::form("a key is set in what is not a dict"),
        }
        Ok(())
    }

    fn remember(&mut self, bytes: u64) -> Result<(), PickleError> {
        let key = self.reader.number(bytes)?;
        self.remember_as(key)
    }

    fn remember_next(&mut self) -> Result<(), PickleError> {
        self.remember_as(self.memo.len() as u64)
    }

    fn remember_as(&mut self, key: u64) -> Result<(), PickleError> {
        let Some(value) = self.last().cloned() else {
            return PickleError::form("there is nothing to remember");
        };
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, bytes: u64) -> Result<(), PickleError> {
        let key = self.reader.number(bytes)?;
        let Some(value) = self.memo.get(&key).cloned() else {
            return PickleError::form(format!("object {key} is used before it is built"));
        };
        self.push(value)
    }

    fn global(&mut self) -> Result<(), PickleError> {
        let module = self.reader.line()?.to_owned();
        let name = format!("{module} {}", self.reader.line()?);
        self.push_node(Node::Global(name.into()))
    }

    fn stack_global(&mut self) -> Result<(), PickleError> {
        match (self.pop()?, self.pop()?) {
            (Value::Text(name), Value::Text(module)) if name.len() + module.len() <= 2048 => {
                self.push_node(Node::Global(format!("{module} {name}").into()))
            }
            _ => PickleError::form("a name is not text"),
        }
    }

    fn persistent(&mut self) -> Result<(), PickleError> {
        let id = self.pop()?;
        let named = pickle_calls::persistent(&self.nodes, &id)?;
        self.push_outcome(named)
    }

    fn push_outcome(&mut self, outcome: Outcome) -> Result<(), PickleError> {
        match outcome {
            Outcome::Value(value) => self.push(value),
            Outcome::Node(node) => self.push_node(node),
        }
    }

    fn reduce(&mut self) -> Result<(), PickleError> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let outcome = pickle_calls::call(&self.nodes, &callable, &arguments)?;
        self.push_outcome(outcome)
    }

    fn new_object(&mut self) -> Result<(), PickleError> {
        let (arguments, class) = (self.pop()?, self.pop()?);
        let node = pickle_calls::new_object(&self.nodes, &class, &arguments)?;
        self.push_node(node)
    }

    /// The class stands in the operation, its arguments above a mark.
    fn instance_by_name(&mut self) -> Result<(), PickleError> {
        self.global()?;
        let class = self.pop()?;
        self.pop_to_mark()?;
        self.other_instance(&class)
    }

    /// The class and its arguments stand above a mark.
    fn instance_by_class(&mut self) -> Result<(), PickleError> {
        match self.pop_to_mark()?.first() {
            Some(class) => self.other_instance(class),
            None => PickleError::form("an operation finds nothing to work on"),
        }
    }

    /// Arguments and arguments by name stand on top of the class.
    fn instance_with_keys(&mut self) -> Result<(), PickleError> {
        let (_, _, class) = (self.pop()?, self.pop()?, self.pop()?);
        self.other_instance(&class)
    }

    fn other_instance(&mut self, class: &Value) -> Result<(), PickleError> {
        let node = pickle_calls::other_object(&self.nodes, class)?;
        self.push_node(node)
    }

    /// Something that the program which wrote the file had given a number.
    fn extension(&mut self, bytes: u64) -> Result<(), PickleError> {
        let number = self.reader.number(bytes)?;
        self.push_node(Node::Unknown(format!("copyreg extension {number}").into()))
    }

    fn build(&mut self) -> Result<(), PickleError> {
        let given = self.pop()?;
        let target = self.top()?;
        match self.nodes.get_mut(target) {
            Some(Node::Object { state, .. }) => *state = Some(given),
            // torch attaches `_metadata` to the OrderedDict of a state dict.
            Some(Node::Dict(_) | Node::Opaque | Node::Unknown(_)) => {}
            _ => return PickleError::form("a state is given to what has none"),
        }
        Ok(())
    }
}

fn pairs(values: Vec<Value>) -> Result<Vec<(Value, Value)>, PickleError> {
    if values.len() % 2 == 1 {
        return PickleError::form("a dict has a key without a value");
    }
    let mut values = values.into_iter();
    let mut pairs = Vec::with_capacity(values.len() / 2);
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        pairs.push((key, value));
    }
    Ok(pairs)
}

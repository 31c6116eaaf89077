//! The protocol's bodies as JSON, in both directions: commands, answers and completions, and what they hold.
//!
//! A body is a type of [`crate::types`] everywhere else. It is JSON only where there is a wire: in the client of a remote
//! optimizer, in the server of the embedded one, and in the messages of connectors that are processes. Pure: nothing
//! here sends or waits.

pub(crate) mod adjustment;
pub(crate) mod answer;
pub(crate) mod command;
pub(crate) mod completion;
pub(crate) mod control;
pub(crate) mod description;
pub(crate) mod lenient;
pub(crate) mod measurement;
pub(crate) mod request;

use serde_json::Value as Json;

use crate::decode::{Decode, Decoder, Entry, Fields, Map, NoVariables, Node, Origin, Problems, Value};

/// What a body is called in the problems that are reported about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Who sent it, or in which message: `answer`.
    pub origin: &'a str,
    /// The key under which it stands there: `result`.
    pub key: &'a str,
}

impl Place<'_> {
    /// Reads a mapping by its keys; other keys are ignored.
    ///
    /// # Errors
    /// Everything that is wrong with it, with key paths.
    pub(crate) fn read<T>(
        self,
        body: &Json,
        read: impl FnOnce(&mut Fields<'_, '_, '_>) -> Option<T>,
    ) -> Result<T, Problems> {
        let node = Node::from_json(body, &Origin::whole(self.origin));
        Decoder::run(&NoVariables, |cx| {
            cx.within(self.key, |cx| {
                let mut fields = cx.fields(&node)?;
                let value = read(&mut fields);
                fields.ignore_unknown();
                value
            })
        })
    }
}

/// A mapping from names to values, in its order.
pub(crate) struct Named<T>(pub Vec<(String, T)>);

impl<T: Decode> Decode for Named<T> {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let entries = mapping(node, cx)?;
        let decode = |entry: &Entry| {
            let value = cx.within(entry.key.as_str(), |cx| T::decode(&entry.value, cx))?;
            Some((entry.key.clone(), value))
        };
        // All problems are recorded before giving up.
        let decoded: Vec<Option<(String, T)>> = entries.iter().map(decode).collect();
        decoded.into_iter().collect::<Option<_>>().map(Self)
    }
}

fn mapping<'n>(node: &'n Node, cx: &mut Decoder<'_>) -> Option<&'n Map> {
    if let Value::Map(map) = &node.value {
        return Some(map);
    }
    cx.invalid(node, "value is not a valid mapping");
    None
}

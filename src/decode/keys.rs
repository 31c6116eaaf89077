//! A section of the configuration, declared once.
//!
//! [`keys!`] takes a struct whose fields are the keys of a mapping: each with its documentation, its type and its
//! default. From these come the struct, the decoder, the JSON Schema and the form in which the section is shown.
//!
//! ```text
//! keys! {
//!     /// Waits while something else measures.
//!     #[derive(Debug, Clone, PartialEq, Eq)]
//!     pub(crate) struct WaitConfig {
//!         /// Free text.
//!         pub(super) description: Option<String> = None,
//!         /// Whether a measurement is waited for. Required.
//!         pub(super) measure_enabled: bool,
//!     }
//! }
//! ```
//!
//! A key without a default is required. A literal in brackets after a field is its key, if that is not its name. After the type, `as` names a [`Form`]: another way to write the value than that
//! of its type (a [`Written`] type), several keys in place of one ([`Flat`]), or a key that is shown only if it is set
//! ([`IfSet`]).

use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};

use super::{Decode, Fields, Secrets, Show};

/// A struct whose fields are the keys of a mapping. Implemented by [`keys!`].
pub trait Keys: Sized {
    /// What the section is for.
    const DOCUMENTATION: &'static str;

    /// Whether keys that are not declared are a problem. They are not where old configurations have more.
    const REFUSES_UNKNOWN: bool;

    /// Reads the keys from a mapping, which may have others. `None` after a problem; all of them are recorded.
    fn read(fields: &mut Fields<'_, '_, '_>) -> Option<Self>;

    /// Adds the keys with their values.
    fn show_keys(&self, secrets: Secrets, members: &mut Map<String, Json>);

    /// Adds the schemas of the keys.
    fn describe_keys(properties: &mut Properties<'_>);
}

/// How a value of type `T` stands in a mapping.
pub(crate) trait Form<T> {
    /// Reads it; `default` is its value when it is absent, or `None` if it is required.
    fn read(key: &'static str, default: Option<T>, fields: &mut Fields<'_, '_, '_>) -> Option<T>;

    /// Adds it to what is shown.
    fn show(key: &'static str, value: &T, secrets: Secrets, members: &mut Map<String, Json>);

    /// Adds its schema.
    fn describe(key: &'static str, documentation: &str, default: Option<&T>, properties: &mut Properties<'_>);
}

/// The form of a value that stands under its key as its type is written: what a field has without `as`.
pub(crate) struct Plain;

impl<T: Decode + JsonSchema + Show> Form<T> for Plain {
    fn read(key: &'static str, default: Option<T>, fields: &mut Fields<'_, '_, '_>) -> Option<T> {
        fields.get_or(key, default, std::convert::identity)
    }

    fn show(key: &'static str, value: &T, secrets: Secrets, members: &mut Map<String, Json>) {
        members.insert(key.to_owned(), value.show(secrets));
    }

    fn describe(key: &'static str, documentation: &str, default: Option<&T>, properties: &mut Properties<'_>) {
        properties.add::<T>(key, documentation, default.map(|default| default.show(Secrets::Redacted)));
    }
}

/// The form of a value that is left out of what is shown while it is not set.
pub(crate) struct IfSet;

impl<T: Decode + JsonSchema + Show> Form<Option<T>> for IfSet {
    fn read(key: &'static str, default: Option<Option<T>>, fields: &mut Fields<'_, '_, '_>) -> Option<Option<T>> {
        fields.get_or(key, default, std::convert::identity)
    }

    fn show(key: &'static str, value: &Option<T>, secrets: Secrets, members: &mut Map<String, Json>) {
        if let Some(value) = value {
            members.insert(key.to_owned(), value.show(secrets));
        }
    }

    fn describe(key: &'static str, documentation: &str, _: Option<&Option<T>>, properties: &mut Properties<'_>) {
        properties.add::<Option<T>>(key, documentation, Some(Json::Null));
    }
}

/// The form of a struct whose keys stand among those of the struct around it.
pub(crate) struct Flat;

impl<T: Keys> Form<T> for Flat {
    fn read(_: &'static str, _: Option<T>, fields: &mut Fields<'_, '_, '_>) -> Option<T> {
        T::read(fields)
    }

    fn show(_: &'static str, value: &T, secrets: Secrets, members: &mut Map<String, Json>) {
        value.show_keys(secrets, members);
    }

    fn describe(_: &'static str, _: &str, _: Option<&T>, properties: &mut Properties<'_>) {
        T::describe_keys(properties);
    }
}

/// The form of a path. An empty text is none, as a template may leave it.
pub(crate) struct OptionalPath;

impl Form<Option<PathBuf>> for OptionalPath {
    fn read(key: &'static str, _: Option<Option<PathBuf>>, fields: &mut Fields<'_, '_, '_>) -> Option<Option<PathBuf>> {
        let path: Option<String> = fields.or(key, None)?;
        Some(path.filter(|path| !path.is_empty()).map(PathBuf::from))
    }

    fn show(key: &'static str, value: &Option<PathBuf>, secrets: Secrets, members: &mut Map<String, Json>) {
        members.insert(key.to_owned(), value.show(secrets));
    }

    fn describe(key: &'static str, documentation: &str, _: Option<&Option<PathBuf>>, properties: &mut Properties<'_>) {
        properties.add::<Option<String>>(key, documentation, Some(Json::Null));
    }
}

/// As [`OptionalPath`], left out of what is shown while it is not set.
pub(crate) struct PathIfSet;

impl Form<Option<PathBuf>> for PathIfSet {
    fn read(
        key: &'static str,
        default: Option<Option<PathBuf>>,
        fields: &mut Fields<'_, '_, '_>,
    ) -> Option<Option<PathBuf>> {
        OptionalPath::read(key, default, fields)
    }

    fn show(key: &'static str, value: &Option<PathBuf>, secrets: Secrets, members: &mut Map<String, Json>) {
        if value.is_some() {
            OptionalPath::show(key, value, secrets, members);
        }
    }

    fn describe(
        key: &'static str,
        documentation: &str,
        default: Option<&Option<PathBuf>>,
        properties: &mut Properties<'_>,
    ) {
        OptionalPath::describe(key, documentation, default, properties);
    }
}

/// A type that only stands for how another one is written, such as a duration that must be above zero.
pub(crate) trait Written: Decode + JsonSchema {
    /// What is kept.
    type Value: Show;

    /// The value, once it has been read.
    fn value(self) -> Self::Value;

    /// The value as it would be written.
    fn show(value: &Self::Value, secrets: Secrets) -> Json {
        value.show(secrets)
    }
}

impl<W: Written> Written for Option<W> {
    type Value = Option<W::Value>;

    fn value(self) -> Self::Value {
        self.map(W::value)
    }

    fn show(value: &Self::Value, secrets: Secrets) -> Json {
        value.as_ref().map_or(Json::Null, |value| W::show(value, secrets))
    }
}

impl<W: Written> Written for Vec<W> {
    type Value = Vec<W::Value>;

    fn value(self) -> Self::Value {
        self.into_iter().map(W::value).collect()
    }

    fn show(value: &Self::Value, secrets: Secrets) -> Json {
        value.iter().map(|value| W::show(value, secrets)).collect()
    }
}

impl<W: Written> Form<W::Value> for W {
    fn read(key: &'static str, default: Option<W::Value>, fields: &mut Fields<'_, '_, '_>) -> Option<W::Value> {
        fields.get_or(key, default, W::value)
    }

    fn show(key: &'static str, value: &W::Value, secrets: Secrets, members: &mut Map<String, Json>) {
        members.insert(key.to_owned(), <W as Written>::show(value, secrets));
    }

    fn describe(key: &'static str, documentation: &str, default: Option<&W::Value>, properties: &mut Properties<'_>) {
        let default = default.map(|default| <W as Written>::show(default, Secrets::Redacted));
        properties.add::<W>(key, documentation, default);
    }
}

/// The schemas of the keys of a mapping while they are collected.
pub struct Properties<'g> {
    generator: &'g mut SchemaGenerator,
    schemas: Map<String, Json>,
    required: Vec<Json>,
    one_of: Vec<Json>,
}

impl Properties<'_> {
    /// The schema of a section.
    pub fn schema_of<T: Keys>(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Properties { generator, schemas: Map::new(), required: Vec::new(), one_of: Vec::new() };
        T::describe_keys(&mut properties);
        let mut schema = json_schema!({ "type": "object", "properties": properties.schemas });
        describe(&mut schema, T::DOCUMENTATION);
        if !properties.required.is_empty() {
            schema.insert("required".to_owned(), Json::Array(properties.required));
        }
        if !properties.one_of.is_empty() {
            schema.insert("oneOf".to_owned(), Json::Array(properties.one_of));
        }
        if T::REFUSES_UNKNOWN {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
        schema
    }

    /// Adds a key. Without a default it is required.
    pub fn add<T: JsonSchema>(&mut self, key: &str, documentation: &str, default: Option<Json>) {
        let schema = self.generator.subschema_for::<T>();
        self.add_schema(key, documentation, default, schema);
    }

    /// As [`Self::add`], of this schema.
    pub fn add_schema(&mut self, key: &str, documentation: &str, default: Option<Json>, mut schema: Schema) {
        match default {
            None => self.required.push(key.into()),
            Some(Json::Null) => {}
            Some(default) => {
                schema.insert("default".to_owned(), default);
            }
        }
        describe(&mut schema, documentation);
        self.schemas.insert(key.to_owned(), schema.to_value());
    }

    /// Requires one of these keys, and no more.
    pub fn require_one_of(&mut self, keys: &[&str]) {
        self.one_of.extend(keys.iter().map(|key| json!({ "required": [key] })));
    }

    /// Makes schemas of other types.
    pub fn generator(&mut self) -> &mut SchemaGenerator {
        self.generator
    }
}

fn describe(schema: &mut Schema, documentation: &str) {
    let text = paragraphs(documentation);
    if !text.is_empty() {
        schema.insert("description".to_owned(), text.into());
    }
}

/// The text of a documentation comment: lines become one, and empty lines end paragraphs.
fn paragraphs(documentation: &str) -> String {
    let mut text = String::new();
    for line in documentation.lines().map(str::trim) {
        if line.is_empty() {
            text.truncate(text.trim_end().len());
            text.push_str("\n\n");
        } else {
            text.push_str(line);
            text.push(' ');
        }
    }
    text.trim().to_owned()
}

/// The default of a key, in whose expression `?` can stand.
pub(crate) fn default_of<T>(default: impl FnOnce() -> Option<T>) -> Option<T> {
    default()
}

/// Declares a section; see the [module](self). After the struct may stand, in this order:
/// - `variables: PREFIX;`, the prefix of the environment variables that fill absent keys.
/// - `unknown: ignored;`, when keys that are not declared are no problem.
/// - `default: all;`, when every key has a default and so has the struct.
/// - `check: FUNCTION;`, which is given what was read and the [`Fields`], and returns it, or reports problems.
macro_rules! keys {
    (
        $(#[doc = $about:literal])*
        #[derive($($derived:ident),*)]
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $field_vis:vis $field:ident $(($key:literal))?: $type:ty $(as $form:ty)? $(= $default:expr)?
            ),* $(,)?
        }
        $(variables: $prefix:expr;)?
        $(unknown: $unknown:ident;)?
        $(default: $all:ident;)?
        $(check: $check:expr;)?
    ) => {
        $(#[doc = $about])*
        #[derive($($derived),*)]
        $vis struct $name {
            $($(#[doc = $doc])* $field_vis $field: $type,)*
        }

        impl $crate::decode::Keys for $name {
            const DOCUMENTATION: &'static str = concat!($($about, "\n"),*);
            const REFUSES_UNKNOWN: bool = $crate::decode::keys!(@refuses $($unknown)?);

            fn read(fields: &mut $crate::decode::Fields<'_, '_, '_>) -> Option<Self> {
                $(let $field = <$crate::decode::keys!(@form $($form)?) as $crate::decode::Form<$type>>::read(
                    $crate::decode::keys!(@key $field $($key)?),
                    $crate::decode::keys!(@default $($default)?),
                    fields,
                );)*
                let section = Self { $($field: $field?,)* };
                $crate::decode::keys!(@check section, fields $(, $check)?)
            }

            fn show_keys(
                &self,
                secrets: $crate::decode::Secrets,
                members: &mut serde_json::Map<String, serde_json::Value>,
            ) {
                $(<$crate::decode::keys!(@form $($form)?) as $crate::decode::Form<$type>>::show(
                    $crate::decode::keys!(@key $field $($key)?),
                    &self.$field,
                    secrets,
                    members,
                );)*
            }

            fn describe_keys(properties: &mut $crate::decode::Properties<'_>) {
                $(
                    let default: Option<$type> = $crate::decode::keys!(@default $($default)?);
                    <$crate::decode::keys!(@form $($form)?) as $crate::decode::Form<$type>>::describe(
                        $crate::decode::keys!(@key $field $($key)?),
                        concat!($($doc, "\n"),*),
                        default.as_ref(),
                        properties,
                    );
                )*
            }
        }

        impl $crate::decode::Decode for $name {
            const TEXT_FORM: $crate::decode::TextForm = $crate::decode::TextForm::Json;

            fn decode(node: &$crate::decode::Node, cx: &mut $crate::decode::Decoder<'_>) -> Option<Self> {
                let fields = cx.fields(node)?;
                $(let fields = fields.with_environment($prefix);)?
                fields.into_keys()
            }
        }

        impl $crate::decode::Show for $name {
            fn show(&self, secrets: $crate::decode::Secrets) -> serde_json::Value {
                let mut members = serde_json::Map::new();
                $crate::decode::Keys::show_keys(self, secrets, &mut members);
                members.into()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::decode::Properties::schema_of::<Self>(generator)
            }
        }

        $crate::decode::keys!(@all $($all)? $name { $($field $(= $default)?),* });
    };

    (@form) => { $crate::decode::Plain };
    (@form $form:ty) => { $form };
    (@default) => { None };
    (@default $default:expr) => { $crate::decode::default_of(|| Some($default)) };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
    (@refuses) => { true };
    (@refuses ignored) => { false };
    (@check $section:ident, $fields:ident) => { Some($section) };
    (@check $section:ident, $fields:ident, $check:expr) => { $check($section, $fields) };
    (@all $name:ident { $($anything:tt)* }) => {};
    (@all all $name:ident { $($field:ident = $default:expr),* }) => {
        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),* }
            }
        }
    };
}

/// Declares an enum whose members are words of the configuration.
macro_rules! words {
    (
        $(#[$about:meta])*
        $vis:vis enum $name:ident {
            $($(#[$doc:meta])* $member:ident = $word:literal),* $(,)?
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$doc])* $member,)*
        }

        impl $name {
            /// The word for it.
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$member => $word,)*
                }
            }
        }

        impl $crate::decode::Decode for $name {
            fn decode(node: &$crate::decode::Node, cx: &mut $crate::decode::Decoder<'_>) -> Option<Self> {
                cx.member(node, &[$(($word, Self::$member)),*])
            }
        }

        impl $crate::decode::Show for $name {
            fn show(&self, _: $crate::decode::Secrets) -> serde_json::Value {
                self.as_str().into()
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::decode::words([$($word),*])
            }
        }
    };
}

/// Declares how a number within bounds is written; it is kept as the number itself. After the bounds may stand the rule
/// that other numbers break.
macro_rules! bounded {
    ($($(#[$about:meta])* $name:ident: $number:ty = $bounds:expr $(, $rule:literal)?;)*) => {
        $($(#[$about])*
        struct $name($number);

        impl $crate::decode::Decode for $name {
            fn decode(node: &$crate::decode::Node, cx: &mut $crate::decode::Decoder<'_>) -> Option<Self> {
                let (number, bounds) = (<$number as $crate::decode::Decode>::decode(node, cx)?, $bounds);
                if bounds.contains(&number) {
                    return Some(Self(number));
                }
                let rule = format!("it must be from {} to {}, and is {number}", bounds.start(), bounds.end());
                $(let rule = { drop(rule); $rule };)?
                cx.invalid_unquoted(node, rule);
                None
            }
        }

        impl $crate::decode::Written for $name {
            type Value = $number;

            fn value(self) -> $number {
                self.0
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = generator.subschema_for::<$number>();
                schema.insert("minimum".to_owned(), (*$bounds.start()).into());
                if *$bounds.end() < <$number>::MAX {
                    schema.insert("maximum".to_owned(), (*$bounds.end()).into());
                }
                schema
            }
        })*
    };
}

pub(crate) use {bounded, keys, words};

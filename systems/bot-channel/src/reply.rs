//! Replies of the bot: text, images, buttons and similar, and their form on the wire.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use socketio_server::Object;

/// A reply. It may have several parts, which are sent in sequence.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Reply {
    /// Text. Empty lines split it into several messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Buttons below the last part of the text.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub buttons: Vec<Button>,
    /// Buttons that disappear after a choice.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub quick_replies: Vec<Button>,
    /// The URL of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// An attachment of any type that the clients support: see [`Reply::video`] and [`Reply::file`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Value>,
    /// Cards of a generic template, for example with a title, an image and buttons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<Value>,
    /// JSON that is sent unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<Value>,
}

/// A choice for the user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Button {
    /// The label of the button.
    pub title: String,
    /// The message that the button sends.
    pub payload: String,
}

impl Reply {
    /// Text, with one message per part.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// Text with buttons.
    pub fn buttons(text: impl Into<String>, buttons: impl IntoIterator<Item = Button>) -> Self {
        Self { buttons: buttons.into_iter().collect(), ..Self::text(text) }
    }

    /// Text with buttons that disappear after a choice.
    pub fn quick_replies(text: impl Into<String>, buttons: impl IntoIterator<Item = Button>) -> Self {
        Self { quick_replies: buttons.into_iter().collect(), ..Self::text(text) }
    }

    /// An image.
    pub fn image(url: impl Into<String>) -> Self {
        Self { image: Some(url.into()), ..Self::default() }
    }

    /// A video.
    pub fn video(url: impl Into<String>, title: impl Into<String>) -> Self {
        Self::attachment("video", &url.into(), &title.into())
    }

    /// A file.
    pub fn file(url: impl Into<String>, title: impl Into<String>) -> Self {
        Self::attachment("file", &url.into(), &title.into())
    }

    fn attachment(kind: &str, url: &str, title: &str) -> Self {
        let attachment = json!({ "type": kind, "payload": { "src": url, "title": title } });
        Self { attachment: Some(attachment), ..Self::default() }
    }

    /// Cards.
    pub fn elements(elements: impl IntoIterator<Item = Value>) -> Self {
        Self { elements: elements.into_iter().collect(), ..Self::default() }
    }

    /// JSON that is sent unchanged.
    pub fn custom(json: Value) -> Self {
        Self { custom: Some(json), ..Self::default() }
    }

    /// The messages for the clients, in order.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let mut messages = Vec::new();
        let buttons: Vec<_> = self.quick_replies.iter().chain(&self.buttons).collect();
        let mut parts: Vec<_> = self.text.iter().flat_map(|text| parts(text)).collect();
        if parts.is_empty() && !buttons.is_empty() {
            // Buttons need a message that carries them.
            parts.push("");
        }
        let last = parts.len().saturating_sub(1);
        for (at, part) in parts.into_iter().enumerate() {
            let mut message = json!({ "text": part });
            if !buttons.is_empty() {
                let hung: &[_] = if at == last { &buttons } else { &[] };
                message["quick_replies"] = hung
                    .iter()
                    .map(|button| {
                        json!({ "content_type": "text", "title": button.title, "payload": button.payload })
                    })
                    .collect();
            }
            messages.push(message);
        }
        messages.extend(self.custom.clone());
        if let Some(url) = &self.image {
            messages.push(json!({ "attachment": { "type": "image", "payload": { "src": url } } }));
        }
        messages.extend(self.attachment.as_ref().map(|attachment| json!({ "attachment": attachment })));
        messages.extend(self.elements.iter().map(|element| {
            let payload = json!({ "template_type": "generic", "elements": element });
            json!({ "attachment": { "type": "template", "payload": payload } })
        }));
        messages
    }
}

/// By default serde would also accept a list as a button.
fn objects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Button>, D::Error> {
    let buttons = Vec::<Object<Button>>::deserialize(deserializer)?;
    Ok(buttons.into_iter().map(|Object(button)| button).collect())
}

/// The parts of a text, which are separated by empty lines.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.trim().split("\n\n").map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn button(name: &str) -> Button {
        Button { title: name.to_owned(), payload: format!("/{name}") }
    }

    #[test]
    fn text_is_split_into_parts() {
        let parts = Reply::text("\none\n\ntwo\nlines\n\n\n\nthree").messages();
        assert_eq!(
            parts,
            [json!({ "text": "one" }), json!({ "text": "two\nlines" }), json!({ "text": "three" })]
        );
        assert!(Reply::text(" ").messages().is_empty() && Reply::default().messages().is_empty());
    }

    #[test]
    fn buttons_are_attached_to_the_last_part() {
        let hung = json!([{ "content_type": "text", "title": "yes", "payload": "/yes" }]);
        for reply in
            [Reply::buttons("a\n\nb", [button("yes")]), Reply::quick_replies("a\n\nb", [button("yes")])]
        {
            let expected =
                [json!({ "text": "a", "quick_replies": [] }), json!({ "text": "b", "quick_replies": hung })];
            assert_eq!(reply.messages(), expected);
        }
        let alone = Reply::buttons("", [button("yes")]);
        assert_eq!(alone.messages(), [json!({ "text": "", "quick_replies": hung })]);
    }

    #[test]
    fn images_attachments_cards_and_custom_json_are_sent() {
        let attached = |attachment: Value| json!({ "attachment": attachment });
        let cases = [
            (Reply::image("u"), attached(json!({ "type": "image", "payload": { "src": "u" } }))),
            (
                Reply::video("u", "t"),
                attached(json!({ "type": "video", "payload": { "src": "u", "title": "t" } })),
            ),
            (
                Reply::file("u", "t"),
                attached(json!({ "type": "file", "payload": { "src": "u", "title": "t" } })),
            ),
            (
                Reply::elements([json!({ "title": "c" })]),
                attached(json!({
                    "type": "template",
                    "payload": { "template_type": "generic", "elements": { "title": "c" } },
                })),
            ),
            (Reply::custom(json!([1])), json!([1])),
        ];
        for (reply, expected) in cases {
            assert_eq!(reply.messages(), [expected]);
        }
        let all: Reply = serde_json::from_value(json!({
            "recipient_id": "x", "text": "t", "custom": 1, "image": "u", "attachment": 2, "elements": [3],
        }))
        .unwrap();
        assert_eq!(all.messages().len(), 5);
    }
}

//! What the bot says: text, pictures, buttons and the like, and how each looks to clients.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use socketio_server::Object;

/// An answer. It may be several things at once, which are sent one after the other.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Reply {
    /// Text. An empty line parts it into several messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Buttons under the last part of the text.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub buttons: Vec<Button>,
    /// Buttons that go away when one was chosen.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub quick_replies: Vec<Button>,
    /// The URL of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Anything that clients know how to show: see [`Reply::video`] and [`Reply::file`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Value>,
    /// Cards of a generic template, each with a title, a picture and buttons for example.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<Value>,
    /// JSON that goes as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<Value>,
}

/// Something to choose.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Button {
    /// What the user reads.
    pub title: String,
    /// What the user says by choosing it.
    pub payload: String,
}

impl Reply {
    /// Text, in as many messages as it has parts.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// Text with buttons.
    pub fn buttons(text: impl Into<String>, buttons: impl IntoIterator<Item = Button>) -> Self {
        Self { buttons: buttons.into_iter().collect(), ..Self::text(text) }
    }

    /// Text with buttons that go away when one was chosen.
    pub fn quick_replies(text: impl Into<String>, buttons: impl IntoIterator<Item = Button>) -> Self {
        Self { quick_replies: buttons.into_iter().collect(), ..Self::text(text) }
    }

    /// A picture.
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

    /// JSON that goes as it is.
    pub fn custom(json: Value) -> Self {
        Self { custom: Some(json), ..Self::default() }
    }

    /// The messages that clients get, in their order.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let mut messages = Vec::new();
        let buttons: Vec<_> = self.quick_replies.iter().chain(&self.buttons).collect();
        let mut parts: Vec<_> = self.text.iter().flat_map(|text| parts(text)).collect();
        if parts.is_empty() && !buttons.is_empty() {
            // There has to be a message that they can hang on.
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

/// serde would take a list for a button too.
fn objects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Button>, D::Error> {
    let buttons = Vec::<Object<Button>>::deserialize(deserializer)?;
    Ok(buttons.into_iter().map(|Object(button)| button).collect())
}

/// The parts of a text: what lies between empty lines.
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
    fn text_comes_in_parts() {
        let parts = Reply::text("\none\n\ntwo\nlines\n\n\n\nthree").messages();
        assert_eq!(
            parts,
            [json!({ "text": "one" }), json!({ "text": "two\nlines" }), json!({ "text": "three" })]
        );
        assert!(Reply::text(" ").messages().is_empty() && Reply::default().messages().is_empty());
    }

    #[test]
    fn buttons_hang_on_the_last_part() {
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
    fn pictures_attachments_cards_and_custom_json() {
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

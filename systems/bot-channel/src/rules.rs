//! An agent with rules, which map words to replies.

use serde::Deserialize;
use serde_json::Value;

use crate::agent::{Agent, Answering};
use crate::message::UserMessage;
use crate::replies::Replies;
use crate::reply::Reply;

/// Rules, and the replies when no rule matches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesConfig {
    /// The rules; the first match is used.
    pub rules: Vec<Rule>,
    /// The replies when no rule matches.
    #[serde(default)]
    pub fallback: Vec<Reply>,
}

/// Words and the replies to them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The rule matches when one of these occurs: words, or a payload such as `/start`. Case is ignored.
    pub words: Vec<String>,
    /// Placeholders in texts: `{message}` is the message, `{sender}` the conversation, and `{metadata.name}`
    /// a field of the metadata.
    pub replies: Vec<Reply>,
}

/// An agent that applies rules.
#[derive(Clone, Debug)]
pub struct RuleAgent {
    rules: Vec<(Vec<Vec<String>>, Vec<Reply>)>,
    fallback: Vec<Reply>,
}

impl RuleAgent {
    /// An agent with these rules.
    pub fn new(config: RulesConfig) -> Self {
        let split = |rule: Rule| (rule.words.iter().map(|phrase| words(phrase)).collect(), rule.replies);
        Self { rules: config.rules.into_iter().map(split).collect(), fallback: config.fallback }
    }

    /// The replies to a message.
    pub fn replies(&self, message: &UserMessage) -> Vec<Reply> {
        let said = words(&message.text);
        let occurs = |phrase: &Vec<String>| {
            !phrase.is_empty() && said.windows(phrase.len()).any(|part| part == phrase.as_slice())
        };
        let rule = self.rules.iter().find(|(phrases, _)| phrases.iter().any(occurs));
        let replies = rule.map_or(&self.fallback, |(_, replies)| replies);
        replies.iter().map(|reply| fill(reply, message)).collect()
    }
}

impl Agent for RuleAgent {
    fn answer(&self, message: UserMessage, replies: Replies) -> Answering<'_> {
        Box::pin(async move {
            for reply in self.replies(&message) {
                replies.send(&reply).await?;
            }
            Ok(())
        })
    }
}

/// The words of a text, in lower case. Slashes and underscores belong to a word, as in payloads.
fn words(text: &str) -> Vec<String> {
    let inside = |letter: char| letter.is_alphanumeric() || matches!(letter, '/' | '_' | '\'');
    let words = text.split(|letter| !inside(letter)).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn fill(reply: &Reply, message: &UserMessage) -> Reply {
    let Some(template) = &reply.text else {
        return reply.clone();
    };
    Reply { text: Some(fill_text(template, message)), ..reply.clone() }
}

/// Inserted values are not expanded again, so a user cannot inject placeholders.
fn fill_text(template: &str, message: &UserMessage) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let Some(len) = rest[start..].find('}') else { break };
        filled.push_str(&rest[..start]);
        let name = &rest[start + 1..start + len];
        match value(name, message) {
            Some(value) => filled.push_str(&value),
            None => filled.push_str(&rest[start..=start + len]),
        }
        rest = &rest[start + len + 1..];
    }
    filled.push_str(rest);
    filled
}

fn value(name: &str, message: &UserMessage) -> Option<String> {
    match name {
        "message" => Some(message.text.clone()),
        "sender" => Some(message.sender.clone()),
        _ => match message.metadata.get(name.strip_prefix("metadata.")?)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(text: &str) -> UserMessage {
        UserMessage {
            text: text.to_owned(),
            sender: "s1".to_owned(),
            input_channel: "socketio",
            metadata: json!({ "name": "Ada", "age": 36 }).as_object().unwrap().clone(),
            claims: None,
        }
    }

    fn agent() -> RuleAgent {
        let rule = |words: &[&str], text: &str| Rule {
            words: words.iter().map(|&word| word.to_owned()).collect(),
            replies: vec![Reply::text(text)],
        };
        let rules = vec![
            rule(&["hi", "good morning"], "Hello {metadata.name}, {metadata.age}!"),
            rule(&["/start"], "{sender} said {message}, {unknown} {"),
            rule(&["", "!"], "never"),
        ];
        RuleAgent::new(RulesConfig { rules, fallback: vec![Reply::text("What?")] })
    }

    #[test]
    fn the_first_matching_rule_is_used() {
        let answer = |text| agent().replies(&said(text))[0].text.clone().unwrap();
        for text in ["hi", "Well, HI there", "Good  morning!"] {
            assert_eq!(answer(text), "Hello Ada, 36!", "{text}");
        }
        for text in ["high", "good", "morning, good", "", "!"] {
            assert_eq!(answer(text), "What?", "{text}");
        }
    }

    #[test]
    fn substituted_text_is_not_expanded_again() {
        let text = "/start {metadata.name}";
        assert_eq!(
            agent().replies(&said(text))[0].text.as_deref(),
            Some("s1 said /start {metadata.name}, {unknown} {")
        );
    }
}

//! An agent with rules, which map words to replies.

use serde::Deserialize;
use serde_json::Value;
use tracing::warn;

use crate::agent::{Agent, Answering};
use crate::message::UserMessage;
use crate::replies::Replies;
use crate::reply::Reply;
use crate::tracker::{Entry, Role};

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
    /// If not empty, the rule matches only when one of these has occurred in the previous message of the user, as the
    /// tracker knows it.
    #[serde(default)]
    pub after: Vec<String>,
    /// Placeholders in texts: `{message}` is the message, `{previous}` the previous message of the user, `{sender}` the
    /// conversation, and `{metadata.name}` a field of the metadata.
    pub replies: Vec<Reply>,
}

/// An agent that applies rules.
#[derive(Clone, Debug)]
pub struct RuleAgent {
    rules: Vec<Prepared>,
    fallback: Vec<Reply>,
    /// Whether a rule needs the previous message. Otherwise the tracker is not read.
    needs_previous: bool,
}

/// A rule with its words.
#[derive(Clone, Debug)]
struct Prepared {
    phrases: Vec<Phrase>,
    after: Vec<Phrase>,
    replies: Vec<Reply>,
}

type Phrase = Vec<String>;

impl RuleAgent {
    /// An agent with these rules.
    pub fn new(config: RulesConfig) -> Self {
        let RulesConfig { rules, fallback } = config;
        let mut texts =
            rules.iter().flat_map(|rule| &rule.replies).chain(&fallback).flat_map(|reply| &reply.text);
        let needs_previous =
            rules.iter().any(|rule| !rule.after.is_empty()) || texts.any(|text| text.contains("{previous}"));
        let phrases = |texts: &[String]| texts.iter().map(|text| words(text)).collect();
        let prepare = |rule: Rule| Prepared {
            phrases: phrases(&rule.words),
            after: phrases(&rule.after),
            replies: rule.replies,
        };
        Self { rules: rules.into_iter().map(prepare).collect(), fallback, needs_previous }
    }

    /// The replies to a message. `previous` is the text of the previous message of the user.
    pub fn replies(&self, message: &UserMessage, previous: Option<&str>) -> Vec<Reply> {
        let said = words(&message.text);
        let before = previous.map(words).unwrap_or_default();
        let matches = |rule: &&Prepared| {
            occurs(&rule.phrases, &said) && (rule.after.is_empty() || occurs(&rule.after, &before))
        };
        let replies = self.rules.iter().find(matches).map_or(&self.fallback, |rule| &rule.replies);
        replies.iter().map(|reply| fill(reply, message, previous)).collect()
    }
}

impl Agent for RuleAgent {
    fn answer(&self, message: UserMessage, replies: Replies) -> Answering<'_> {
        Box::pin(async move {
            let history = if self.needs_previous { replies.history().await } else { Ok(Vec::new()) };
            let history = history.unwrap_or_else(|error| {
                warn!(sender = replies.sender(), %error, "the rules do not know the previous message");
                Vec::new()
            });
            for reply in self.replies(&message, previous(&history)) {
                replies.send(&reply).await?;
            }
            Ok(())
        })
    }
}

/// The text of the user's message before the last one.
fn previous(history: &[Entry]) -> Option<&str> {
    history.iter().rev().filter(|entry| entry.role == Role::User).nth(1)?.text()
}

/// Whether one of the phrases is a part of the words.
fn occurs(phrases: &[Phrase], said: &[String]) -> bool {
    phrases
        .iter()
        .any(|phrase| !phrase.is_empty() && said.windows(phrase.len()).any(|part| part == phrase.as_slice()))
}

/// The words of a text, in lower case. Slashes and underscores belong to a word, as in payloads.
fn words(text: &str) -> Vec<String> {
    let inside = |letter: char| letter.is_alphanumeric() || matches!(letter, '/' | '_' | '\'');
    let words = text.split(|letter| !inside(letter)).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn fill(reply: &Reply, message: &UserMessage, previous: Option<&str>) -> Reply {
    let Some(template) = &reply.text else {
        return reply.clone();
    };
    Reply { text: Some(fill_text(template, message, previous)), ..reply.clone() }
}

/// Inserted values are not expanded again, so a user cannot inject placeholders.
fn fill_text(template: &str, message: &UserMessage, previous: Option<&str>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let Some(len) = rest[start..].find('}') else { break };
        filled.push_str(&rest[..start]);
        let name = &rest[start + 1..start + len];
        match value(name, message, previous) {
            Some(value) => filled.push_str(&value),
            None => filled.push_str(&rest[start..=start + len]),
        }
        rest = &rest[start + len + 1..];
    }
    filled.push_str(rest);
    filled
}

fn value(name: &str, message: &UserMessage, previous: Option<&str>) -> Option<String> {
    match name {
        "message" => Some(message.text.clone()),
        "previous" => previous.map(str::to_owned),
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
            after: Vec::new(),
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
        let answer = |text| agent().replies(&said(text), None)[0].text.clone().unwrap();
        for text in ["hi", "Well, HI there", "Good  morning!"] {
            assert_eq!(answer(text), "Hello Ada, 36!", "{text}");
        }
        for text in ["high", "good", "morning, good", "", "!"] {
            assert_eq!(answer(text), "What?", "{text}");
        }
    }

    #[test]
    fn rules_may_need_a_previous_message() {
        let [words, after] = ["yes", "tea"].map(|word| vec![word.to_owned()]);
        let rule = Rule { words, after, replies: vec![Reply::text("Milk? You said {previous}.")] };
        let fallback = vec![Reply::text("{previous}")];
        let agent = RuleAgent::new(RulesConfig { rules: vec![rule], fallback });
        let history = |texts: &[&str]| -> Vec<Entry> {
            texts.iter().map(|text| Entry::of_user(text, &serde_json::Map::new())).collect()
        };
        for (texts, expected) in [
            (["some tea", "yes"].as_slice(), "Milk? You said some tea."),
            (&["coffee", "yes"], "coffee"),
            (&["yes"], "{previous}"),
        ] {
            let history = history(texts);
            let replies = agent.replies(&said("yes"), previous(&history));
            assert_eq!(replies[0].text.as_deref(), Some(expected));
        }
        assert!(agent.needs_previous && !self::agent().needs_previous);
    }

    #[test]
    fn substituted_text_is_not_expanded_again() {
        let text = "/start {metadata.name}";
        assert_eq!(
            agent().replies(&said(text), None)[0].text.as_deref(),
            Some("s1 said /start {metadata.name}, {unknown} {")
        );
    }
}

//! Subscriptions to channels that are none of the adapter's, on connections of their own: applications that use the
//! same Redis.

use futures_util::StreamExt as _;
use redis::{Client, RedisError};
use serde_json::Value;

/// Subscribes to a pattern or a channel, and tells of each message until the process ends.
pub(crate) async fn subscribe(
    url: &str,
    command: &Value,
    tell: impl Fn() + Send + 'static,
) -> Result<(), RedisError> {
    let mut connection = Client::open(url)?.get_async_pubsub().await?;
    match (&command["pattern"], &command["channel"]) {
        (Value::String(pattern), _) => connection.psubscribe(pattern).await?,
        (_, channel) => connection.subscribe(channel.as_str().unwrap_or_default()).await?,
    }
    let mut messages = connection.into_on_message();
    tokio::spawn(async move {
        while messages.next().await.is_some() {
            tell();
        }
    });
    Ok(())
}

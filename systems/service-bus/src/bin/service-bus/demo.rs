//! Three services that communicate through the bus, driven by two users.

use service_bus::{Event, EventType};
use system_support::Failure;

use crate::user::User;
use crate::{chat, mail, presence};

/// Starts the services, runs the exchange of two users, and stops the services.
pub(crate) async fn show(url: &str) -> Result<(), Failure> {
    let services = [chat::start(url).await?, presence::start(url).await?, mail::start(url).await?];
    let told = tell(url).await;
    for service in &services {
        service.shutdown().await;
    }
    // The last user leaves when no further events are expected.
    told?.leaves().await;
    Ok(())
}

/// Each step waits until the users have received its consequences, through whichever services.
async fn tell(url: &str) -> Result<User, Failure> {
    let mut ada = User::join("ada", url).await?;
    ada.receives(EventType::PresenceUpdate, |event| is(event, "user_id", "ada")).await?;

    // Bob is absent: the chat sends the message to the mail service, which notifies Ada.
    ada.says(&Event::new(EventType::ChatMessage).with("recipient_id", "bob").with("content", "Lunch?"))?;
    ada.receives(EventType::Notification, |event| is(event, "text", "bob gets it by mail")).await?;

    // When Bob connects, the presence service notifies all services, and the mail service delivers his
    // message.
    let mut bob = User::join("bob", url).await?;
    bob.receives(EventType::Notification, |event| is(event, "text", "1 message came by mail")).await?;
    ada.receives(EventType::PresenceUpdate, |event| is(event, "user_id", "bob")).await?;

    // Now both users are connected.
    bob.says(&Event::new(EventType::ChatTyping).with("recipient_id", "ada"))?;
    ada.receives(EventType::ChatTyping, |_| true).await?;
    bob.says(&Event::new(EventType::ChatMessage).with("recipient_id", "ada").with("content", "On my way"))?;
    ada.receives(EventType::ChatMessage, |event| is(event, "content", "On my way")).await?;
    ada.says(&Event::new(EventType::ChatRead).with("recipient_id", "bob"))?;
    bob.receives(EventType::ChatRead, |_| true).await?;
    bob.says(&Event::new(EventType::UserStatusChanged).with("status", "eating"))?;
    ada.receives(EventType::PresenceUpdate, |event| is(event, "status", "eating")).await?;

    bob.leaves().await;
    ada.receives(EventType::PresenceUpdate, |event| is(event, "status", "offline")).await?;
    Ok(ada)
}

fn is(event: &Event, field: &str, value: &str) -> bool {
    event.field::<String>(field).as_deref() == Some(value)
}

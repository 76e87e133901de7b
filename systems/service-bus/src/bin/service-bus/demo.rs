//! Three services that talk to one another through the bus, because of what two users do.

use program::Failure;
use service_bus::{Event, EventType};

use crate::user::User;
use crate::{chat, mail, presence};

/// Starts the services at a bus, lets two users talk, and ends the services again.
pub(crate) async fn show(url: &str) -> Result<(), Failure> {
    let services = [chat::start(url).await?, presence::start(url).await?, mail::start(url).await?];
    let told = tell(url).await;
    for service in &services {
        service.shutdown().await;
    }
    // The last one goes when nobody has to be told of it any more.
    told?.leaves().await;
    Ok(())
}

/// Each step waits until its consequences have come to the users, over whichever services they took.
async fn tell(url: &str) -> Result<User, Failure> {
    let mut ada = User::join("ada", url).await?;
    ada.hears(EventType::PresenceUpdate, |event| is(event, "user_id", "ada")).await?;

    // Bob is not there: the chat asks the service for mail, and that one tells Ada.
    ada.says(&Event::new(EventType::ChatMessage).with("recipient_id", "bob").with("content", "Lunch?"))?;
    ada.hears(EventType::Notification, |event| is(event, "text", "bob gets it by mail")).await?;

    // When he comes, the service for presence tells everybody, and so the one for mail has something for him.
    let mut bob = User::join("bob", url).await?;
    bob.hears(EventType::Notification, |event| is(event, "text", "1 message came by mail")).await?;
    ada.hears(EventType::PresenceUpdate, |event| is(event, "user_id", "bob")).await?;

    // Now both are there.
    bob.says(&Event::new(EventType::ChatTyping).with("recipient_id", "ada"))?;
    ada.hears(EventType::ChatTyping, |_| true).await?;
    bob.says(&Event::new(EventType::ChatMessage).with("recipient_id", "ada").with("content", "On my way"))?;
    ada.hears(EventType::ChatMessage, |event| is(event, "content", "On my way")).await?;
    ada.says(&Event::new(EventType::ChatRead).with("recipient_id", "bob"))?;
    bob.hears(EventType::ChatRead, |_| true).await?;
    bob.says(&Event::new(EventType::UserStatusChanged).with("status", "eating"))?;
    ada.hears(EventType::PresenceUpdate, |event| is(event, "status", "eating")).await?;

    bob.leaves().await;
    ada.hears(EventType::PresenceUpdate, |event| is(event, "status", "offline")).await?;
    Ok(ada)
}

fn is(event: &Event, field: &str, value: &str) -> bool {
    event.field::<String>(field).as_deref() == Some(value)
}

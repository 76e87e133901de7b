//! The chat: forwards messages between users. Messages to absent users go to the mail service.

use service_bus::{BusError, Event, EventType, ServiceConnector};
use system_support::Failure;

/// Starts the service.
pub(crate) async fn start(url: &str) -> Result<ServiceConnector, Failure> {
    let chat = ServiceConnector::new("chat", url)?;
    for kind in [EventType::ChatMessage, EventType::ChatTyping, EventType::ChatRead] {
        let service = chat.clone();
        chat.on_event(kind, move |event| {
            let chat = service.clone();
            async move {
                if let Err(error) = pass_on(&chat, event).await {
                    eprintln!("chat      {error}");
                }
            }
        });
    }
    chat.initialize().await?;
    println!("chat      connected");
    Ok(chat)
}

async fn pass_on(chat: &ServiceConnector, event: Event) -> Result<(), BusError> {
    let name = |field| event.field::<String>(field);
    let (Some(from), Some(to)) = (name("user_id"), name("recipient_id")) else {
        println!("chat      ignores an event without sender or recipient");
        return Ok(());
    };
    let kind = event.kind.clone();
    let reached = chat.emit_to_user(&to, event.clone()).await?.reached;
    println!("chat      {kind} from {from} to {to}: reached {reached}");
    if reached == 0 && kind == EventType::ChatMessage {
        let letter = Event { kind: "mail:send".into(), ..event };
        chat.emit_to_room("service:mail", letter).await?;
    }
    Ok(())
}

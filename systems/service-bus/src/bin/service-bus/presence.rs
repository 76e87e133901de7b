//! Presence: notifies all clients of connected and disconnected users and of their status.

use service_bus::{BusError, Event, EventType, ServiceConnector};
use system_support::Failure;

/// Starts the service.
pub(crate) async fn start(url: &str) -> Result<ServiceConnector, Failure> {
    let presence = ServiceConnector::new("presence", url)?;
    for kind in [EventType::UserConnected, EventType::UserDisconnected, EventType::UserStatusChanged] {
        let service = presence.clone();
        presence.on_event(kind, move |event| {
            let presence = service.clone();
            async move {
                if let Err(error) = tell(&presence, &event).await {
                    eprintln!("presence  {error}");
                }
            }
        });
    }
    presence.initialize().await?;
    println!("presence  connected");
    Ok(presence)
}

async fn tell(presence: &ServiceConnector, event: &Event) -> Result<(), BusError> {
    let Some(user) = event.field::<String>("user_id") else { return Ok(()) };
    let status = match event.kind {
        EventType::UserConnected => "online".to_owned(),
        EventType::UserDisconnected => "offline".to_owned(),
        _ => event.field("status").unwrap_or_default(),
    };
    let update =
        Event::new(EventType::PresenceUpdate).with("user_id", user.as_str()).with("status", status.as_str());
    let reached = presence.broadcast(update).await?.reached;
    println!("presence  {user} is {status}: notified {reached}");
    Ok(())
}

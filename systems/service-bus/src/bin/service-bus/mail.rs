//! Mail: stores missed messages until the user is connected again.

use std::collections::HashMap;
use std::sync::Arc;

use engineio::sync::Mutex;
use service_bus::{BusError, Event, EventType, ServiceConnector};
use system_support::Failure;

/// Number of stored messages per user.
type Letters = Arc<Mutex<HashMap<String, usize>>>;

/// Starts the service.
pub(crate) async fn start(url: &str) -> Result<ServiceConnector, Failure> {
    let mail = ServiceConnector::new("mail", url)?;
    let letters = Letters::default();
    let (service, kept) = (mail.clone(), Arc::clone(&letters));
    mail.on_event("mail:send", move |event| {
        let (mail, letters) = (service.clone(), Arc::clone(&kept));
        async move { complain(keep(&mail, &letters, &event).await) }
    });
    let service = mail.clone();
    mail.on_event(EventType::PresenceUpdate, move |event| {
        let (mail, letters) = (service.clone(), Arc::clone(&letters));
        async move { complain(deliver(&mail, &letters, &event).await) }
    });
    mail.initialize().await?;
    println!("mail      connected");
    Ok(mail)
}

fn complain(done: Result<(), BusError>) {
    if let Err(error) = done {
        eprintln!("mail      {error}");
    }
}

async fn keep(mail: &ServiceConnector, letters: &Letters, event: &Event) -> Result<(), BusError> {
    let name = |field| event.field::<String>(field);
    let (Some(from), Some(to)) = (name("user_id"), name("recipient_id")) else { return Ok(()) };
    println!("mail      stores a message from {from} for {to}, requested by {}", event.source);
    *letters.lock().entry(to.clone()).or_default() += 1;
    notify(mail, &from, &format!("{to} gets it by mail")).await
}

async fn deliver(mail: &ServiceConnector, letters: &Letters, event: &Event) -> Result<(), BusError> {
    let Some(user) = event.field::<String>("user_id") else { return Ok(()) };
    if event.field::<String>("status").as_deref() != Some("online") {
        return Ok(());
    }
    let kept = letters.lock().remove(&user);
    let Some(count) = kept else { return Ok(()) };
    println!("mail      delivers {count} to {user}, reported online by {}", event.source);
    notify(mail, &user, &format!("{count} message came by mail")).await
}

async fn notify(mail: &ServiceConnector, user: &str, text: &str) -> Result<(), BusError> {
    mail.emit_to_user(user, Event::new(EventType::Notification).with("text", text)).await.map(drop)
}

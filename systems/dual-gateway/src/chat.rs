//! `ai:chat`: a question to a model, whose answer is forwarded as it is generated.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use socketio_server::{ConnectError, EmitError, Namespace, Object, RawArgs, Socket};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};
use tokio::time::timeout;

/// Maximum size of a question, in bytes.
const MAX_QUESTION: usize = 16 * 1024;
/// Idle timeout of a model.
const SILENCE: Duration = Duration::from_secs(60);

/// Limits of `ai:chat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatOptions {
    /// Maximum number of concurrent answers per connection. Further questions get `ai:response:error` at
    /// once. Default 4. Cost: the memory of the model per answer, and up to 16 pieces that wait for the
    /// client.
    pub answers_per_connection: usize,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { answers_per_connection: 4 }
    }
}

/// The answers of a connection.
#[derive(Clone)]
struct Answers {
    /// Permits for concurrent answers.
    free: Arc<Semaphore>,
    /// Whether the client has disconnected.
    gone: watch::Sender<bool>,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The text of the question.
    pub message: String,
    /// The previous messages, as stored by the client.
    #[serde(default)]
    pub conversation_history: Vec<Value>,
}

/// Error of a model. The client receives the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ModelError(pub String);

/// Channel for the pieces of an answer. Sending fails when the client no longer needs them.
pub type Pieces = mpsc::Sender<String>;

/// The future of a model's answer.
pub type Thinking = Pin<Box<dyn Future<Output = Result<(), ModelError>> + Send>>;

/// Answers questions piece by piece. The future is dropped when the client disconnects.
pub trait Model: Send + Sync + 'static {
    /// Answers a question.
    fn answer(&self, question: Question, pieces: Pieces) -> Thinking;
}

/// Functions are models too.
impl<F, Fut> Model for F
where
    F: Fn(Question, Pieces) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ModelError>> + Send + 'static,
{
    fn answer(&self, question: Question, pieces: Pieces) -> Thinking {
        Box::pin(self(question, pieces))
    }
}

/// A model for experiments: it repeats the question word by word.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parrot;

impl Model for Parrot {
    fn answer(&self, question: Question, pieces: Pieces) -> Thinking {
        Box::pin(async move {
            let before = question.conversation_history.len();
            let answer = format!("You said \"{}\", after {before} messages.", question.message);
            for word in answer.split_inclusive(' ') {
                if pieces.send(word.to_owned()).await.is_err() {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// Registers the handler that answers `ai:chat` with `ai:response:start`, `:chunk`, and `:complete` or
/// `:error`.
pub(crate) fn register(namespace: &Namespace, options: ChatOptions, model: Arc<dyn Model>) {
    let count = Arc::new(AtomicU64::new(0));
    let most = options.answers_per_connection.min(Semaphore::MAX_PERMITS);
    namespace.middleware(move |socket: Socket| async move {
        // A connection has one socket in this namespace.
        let free = Arc::new(Semaphore::new(most));
        socket.extensions().insert(Answers { free, gone: watch::Sender::new(false) });
        Ok::<(), ConnectError>(())
    });
    namespace.on_disconnect(|socket: Socket| async move {
        if let Some(answers) = socket.extensions().get::<Answers>() {
            answers.gone.send_replace(true);
        }
    });
    namespace.on("ai:chat", move |socket: Socket, args: RawArgs| {
        let (model, number) = (Arc::clone(&model), count.fetch_add(1, Ordering::Relaxed));
        async move {
            // The middleware has inserted them.
            let Some(Answers { free, gone }) = socket.extensions().get::<Answers>() else { return };
            let place = free.try_acquire().ok();
            let too_many = || ModelError(format!("more than {most} answers at a time"));
            let asked = read(&args).and_then(|question| Ok((question, place.ok_or_else(too_many)?)));
            // A disconnected client needs no answer.
            let _ = match asked {
                Ok((question, place)) => {
                    let (id, mut gone) = (format!("msg-{number}"), gone.subscribe());
                    tokio::select! {
                        answered = answer(&socket, &*model, question, &id, place) => answered,
                        // The request to the model ends, also while the model is silent.
                        _ = gone.wait_for(|gone| *gone) => Ok(()),
                    }
                }
                Err(error) => socket.emit("ai:response:error", &json!({ "error": error.0 })),
            };
        }
    });
}

fn read(args: &RawArgs) -> Result<Question, ModelError> {
    if !args.attachments().is_empty() {
        return Err(ModelError("a question has no binary data".to_owned()));
    }
    let Object(question): Object<Question> = args
        .parse(0)
        .map_err(|_| ModelError("expected { message: string, conversationHistory?: [] }".to_owned()))?;
    if question.message.trim().is_empty() {
        return Err(ModelError("the message is empty".to_owned()));
    }
    if question.message.len() > MAX_QUESTION {
        return Err(ModelError(format!("the message is longer than {MAX_QUESTION} bytes")));
    }
    Ok(question)
}

async fn answer(
    socket: &Socket,
    model: &dyn Model,
    question: Question,
    id: &str,
    place: SemaphorePermit<'_>,
) -> Result<(), EmitError> {
    socket.emit("ai:response:start", &json!({ "messageId": id }))?;
    let (pieces, mut said) = mpsc::channel(16);
    let mut thinking = model.answer(question, pieces);
    let mut thought = None;
    let mut full = String::new();
    let error = loop {
        let next = async {
            tokio::select! {
                done = &mut thinking, if thought.is_none() => Err(done),
                piece = said.recv() => Ok(piece),
            }
        };
        match timeout(SILENCE, next).await {
            Err(_) => break Some("the model is silent".to_owned()),
            // The pieces sent before are still to be read.
            Ok(Err(done)) => thought = Some(done),
            Ok(Ok(Some(chunk))) => {
                full.push_str(&chunk);
                let chunk = json!({ "messageId": id, "chunk": chunk });
                // A client that reads slowly makes the model wait.
                socket.emit_when_ready("ai:response:chunk", &chunk).await?;
            }
            Ok(Ok(None)) => match thought {
                Some(done) => break done.err().map(|error| error.0),
                // The model sends no more pieces, but its future may not have completed yet.
                None => match timeout(SILENCE, &mut thinking).await {
                    Ok(done) => thought = Some(done),
                    Err(_) => break Some("the model is silent".to_owned()),
                },
            },
        }
    };
    // The permit is released first: a client that receives the end may send the next question.
    drop(place);
    match error {
        None => socket.emit("ai:response:complete", &json!({ "messageId": id, "fullResponse": full })),
        Some(error) => socket.emit("ai:response:error", &json!({ "messageId": id, "error": error })),
    }
}

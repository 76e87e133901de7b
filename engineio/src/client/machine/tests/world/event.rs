//! The events around a session.

/// The possible next events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Event {
    /// The driver is ready to read.
    Read,
    /// The driver handles the next packet of the carrier, or the end of a response.
    Handle,
    /// The driver writes everything that it can.
    Write,
    /// The driver writes a part: half a message into a POST, or one entry to the WebSocket.
    WritePart,
    /// The server answers the GET or the POST.
    AnswerGet,
    AnswerPost,
    /// The server reads its WebSocket.
    Receive,
    OpenProbe,
    AnswerProbe,
    /// The server answers the probe with another packet.
    MisanswerProbe,
    CutProbe,
    /// The connection of the GET, of the POST or of the WebSocket that carries the session is lost.
    CutGet,
    CutPost,
    CutWebSocket,
    /// The application sends a message or closes the session.
    Send,
    Close,
    /// The server sends a message, a ping or a close packet.
    ServerSend,
    ServerPing,
    ServerClose,
    /// The clock reaches the next deadline, or half the time to it.
    Tick,
    Wait,
}

pub(in super::super) const EVENTS: [Event; 21] = [
    Event::Read,
    Event::Handle,
    Event::Write,
    Event::WritePart,
    Event::AnswerGet,
    Event::AnswerPost,
    Event::Receive,
    Event::OpenProbe,
    Event::AnswerProbe,
    Event::MisanswerProbe,
    Event::CutProbe,
    Event::CutGet,
    Event::CutPost,
    Event::CutWebSocket,
    Event::Send,
    Event::Close,
    Event::ServerSend,
    Event::ServerPing,
    Event::ServerClose,
    Event::Tick,
    Event::Wait,
];

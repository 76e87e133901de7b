// Errors of the connector.

/** The URL or the key is invalid. */
export class ConnectorError extends Error {
  name = "ConnectorError";
}

/** Base of the errors of commands. */
export class BusError extends Error {
  name = "BusError";
}

/** The bus refused the command. */
export class Refused extends BusError {
  name = "Refused";
}

/** The bus refuses this service, most likely because of its key. */
export class Denied extends BusError {
  name = "Denied";
}

/** The connection was lost, or the acknowledgement was late: the command may have been executed. */
export class Unanswered extends BusError {
  name = "Unanswered";
}

/** Rooms of the service, and `say`, require a connection. */
export class NotConnected extends BusError {
  name = "NotConnected";
}

/** There is no connection, and the request to the HTTP API failed. */
export class HttpFailed extends BusError {
  name = "HttpFailed";

  constructor(reason, status, options) {
    super(reason, options);
    this.status = status;
  }
}

/** A request to another service failed; `code` is `no_service`, `timeout`, `left`, `refused`, `too_many` or `invalid`. */
export class RequestFailed extends BusError {
  name = "RequestFailed";

  constructor(reason, code) {
    super(reason);
    this.code = code;
  }
}

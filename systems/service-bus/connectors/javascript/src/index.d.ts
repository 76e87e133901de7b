/** The standard types. Custom types are plain strings. */
export declare const EventType: {
  readonly USER_CONNECTED: "user:connected";
  readonly USER_DISCONNECTED: "user:disconnected";
  readonly USER_STATUS_CHANGED: "user:status_changed";
  readonly CHAT_MESSAGE: "chat:message";
  readonly CHAT_TYPING: "chat:typing";
  readonly CHAT_READ: "chat:read";
  readonly PRESENCE_UPDATE: "presence:update";
  readonly PRESENCE_QUERY: "presence:query";
  readonly NOTIFICATION: "notification";
  readonly SYSTEM_ERROR: "system:error";
  readonly SYSTEM_INFO: "system:info";
};
export type EventType = (typeof EventType)[keyof typeof EventType];

/** State of the link to the bus. */
export declare const LinkState: {
  /** A connection. */
  readonly SOCKET: "socket";
  /** The HTTP API: events can be sent, but not received. Connection attempts continue. */
  readonly HTTP: "http";
  /** None: the bus has refused the service. No attempt is made until `initialize` is called again. */
  readonly REFUSED: "refused";
};
export type LinkState = (typeof LinkState)[keyof typeof LinkState];

/** A received event. */
export interface BusEvent {
  type: string;
  /** The time, in seconds since 1970. */
  timestamp: number;
  /** The sender. The bus sets it, so a sender cannot pretend to be another one. */
  source: string;
  /** The id: the same when an event is sent again. */
  event_id: string;
  /** All other fields; binary data is a `Buffer` in Node.js and an `ArrayBuffer` in browsers. */
  [field: string]: any;
}

/** Fields of an event to send. */
export type Fields = Record<string, unknown>;

/** The type of an event to send, or another event, to which the fields are added. */
export type Kind = string | ({ type: string } & Fields);

/** Handlers begin in the order of the events. An error of a handler is logged. */
export type Handler = (event: BusEvent) => unknown;

/** Options of a connector. */
export interface ConnectorOptions {
  /** The key of services. Default none. */
  key?: string;
  /** Path of Socket.IO. Default `/socket.io/`. */
  path?: string;
  /** Timeout of the first connection, and of each acknowledgement, in milliseconds. Default 5,000. */
  timeout?: number;
  /**
   * Delay before the first reconnection attempt, in milliseconds; it doubles up to ten times that value.
   * Default 500.
   */
  reconnectionDelay?: number;
}

/** The client of a service. */
export declare class ServiceConnector {
  /**
   * A service of this name; `url` is that of the bus, such as `http://localhost:8000`.
   * @throws {ConnectorError} if the URL or the key is invalid.
   */
  constructor(name: string, url: string, options?: ConnectorOptions);
  /** The service's name. */
  get name(): string;
  /** The current state of the link. */
  get link(): LinkState;
  /**
   * Connects. If there is no connection in time, the API is used as long as it is reachable, and connection
   * attempts continue. `Denied` means that the bus refuses the service.
   */
  initialize(): Promise<LinkState>;
  /** Adds a handler of events of a type, and returns it. */
  onEvent<H extends Handler>(type: string, handler: H): H;
  /** Removes a handler, or all of a type; whether there was one. */
  off(type: string, handler?: Handler): boolean;
  /** Sends to a user, on all its clients; the number of reached sockets. */
  emitToUser(userId: string, kind: Kind, fields?: Fields): Promise<number>;
  /** Sends to one client. */
  emitToClient(clientId: string, kind: Kind, fields?: Fields): Promise<number>;
  /** Sends to all sockets in a room: `service:NAME` is that of a service, `services` that of all services. */
  emitToRoom(room: string, kind: Kind, fields?: Fields): Promise<number>;
  /** Sends to all instances of a service; while it is away, the bus keeps the event for its subscriptions. */
  emitToService(service: string, kind: Kind, fields?: Fields): Promise<number>;
  /** Sends an event of any type to all other services, and keeps it for those that are away and have subscribed. */
  publish(kind: Kind, fields?: Fields): Promise<number>;
  /**
   * Subscribes to event types, none for all, under a name that stays the same after a restart. The bus keeps the
   * events while this service is away, and delivers them in order. An event may come again with the same `event_id`.
   */
  subscribe(name: string, types: string[], handler: Handler): Promise<void>;
  /** Ends a subscription: the bus forgets its events. */
  unsubscribe(name: string): Promise<void>;
  /** Sets the handler for events that the bus has dropped; `count` is `undefined` if their number is unknown. */
  onDropped(handler: (dropped: { subscription: string; count?: number }) => unknown): void;
  /** Sets the handler of requests of a type. Its error is the reason that the asking service gets. */
  onRequest(type: string, handler: (event: BusEvent) => unknown): void;
  /** Asks one instance of a service, and waits for its answer, by default 5,000 ms. Fails with `RequestFailed`. */
  request(service: string, kind: Kind, fields?: Fields, options?: { timeout?: number }): Promise<any>;
  /** Sends to all clients and services. */
  broadcast(kind: Kind, fields?: Fields): Promise<number>;
  /** Adds this service to a room, now or when there is a connection, and again after each reconnect. */
  join(room: string): Promise<void>;
  /** Removes this service from a room. */
  leave(room: string): Promise<void>;
  /** Adds a client to a room, for example `user:ID`. */
  joinClient(clientId: string, room: string): Promise<void>;
  /** Removes a client from a room. */
  leaveClient(clientId: string, room: string): Promise<void>;
  /**
   * Sends an event as a client would: an event of a standard type reaches all other services, and the bus
   * answers `presence:query` with `presence:update`. Without a connection 1,000 events are kept until there is
   * one; further ones throw `NotConnected`.
   */
  say(kind: Kind, fields?: Fields): void;
  /**
   * Ends the connection. Events sent before are written, and pending commands have the timeout to complete.
   * Later commands wait for the end, and then use the API.
   */
  shutdown(): Promise<void>;
}

/** The URL or the key is invalid. */
export declare class ConnectorError extends Error {}
/** Base of the errors of commands. */
export declare class BusError extends Error {}
/** The bus refused the command. */
export declare class Refused extends BusError {}
/** The bus refuses this service, most likely because of its key. */
export declare class Denied extends BusError {}
/** The connection was lost, or the acknowledgement was late: the command may have been executed. */
export declare class Unanswered extends BusError {}
/** Rooms of the service require a connection. The room is joined as soon as there is one. */
export declare class NotConnected extends BusError {}
/** There is no connection, and the request to the HTTP API failed. */
export declare class HttpFailed extends BusError {
  /** The status of the response; `undefined` without a response. */
  readonly status?: number;
}
/** A request to another service failed. */
export declare class RequestFailed extends BusError {
  readonly code: "no_service" | "timeout" | "left" | "refused" | "too_many" | "invalid" | (string & {});
}

// Connector of services in JavaScript to the service-bus.
export { LinkState, ServiceConnector } from "./connector.js";
export { BusError, ConnectorError, Denied, HttpFailed, NotConnected, Refused, RequestFailed, Unanswered } from "./errors.js";
export { EventType } from "./events.js";

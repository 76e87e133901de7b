//! Dynamic namespaces: each tenant has its own namespace, created with its first client and removed with the
//! last.
//!
//! `cargo run -p examples --bin tenants`, then from a Socket.IO client:
//!
//! ```js
//! const acme = io("http://127.0.0.1:3000/tenant/acme");
//! acme.on("hello", (tenant) => console.log(tenant));
//! ```

use socketio_server::{Data, NamespaceRequest, Params, Server, Socket};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().cleanup_empty_child_namespaces(true).build()?;

    // All namespaces of the pattern share these handlers.
    let tenants = io.of_pattern("/tenant/{tenant}")?;
    tenants.on_connect(|socket: Socket, params: Params| async move {
        let _ = socket.emit("hello", &params.get("tenant"));
    });
    // `socket.broadcast()` stays within the tenant.
    tenants.on("say", |socket: Socket, Data(text): Data<String>| async move {
        socket.broadcast().emit("said", &text).await
    });
    // Events that the parent emits go to all tenants.
    tenants.on("shout", {
        let tenants = tenants.clone();
        move |Data(text): Data<String>| {
            let tenants = tenants.clone();
            async move { tenants.emit("shouted", &text).await }
        }
    });

    // A function covers cases beyond a pattern: it has access to the client's credentials, and may query
    // other services.
    io.of_function(|request: NamespaceRequest| async move {
        request.name().starts_with("/private-") && request.handshake().query().get("key") == Some("secret")
    });

    io.on_new_namespace(|namespace| println!("{} is there", namespace.name()));
    io.serve(examples::listen().await?).await?;
    Ok(())
}

//! The type of an argument must implement `Deserialize`.
//@ the trait bound `Point: serde::Deserialize<'de>` is not satisfied
//@ required for `Data<Point>` to implement `Extract<

use socketio_server::{Data, Server};

struct Point;

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("move", |Data(point): Data<Point>| async move {
        let _: Point = point;
    });
}

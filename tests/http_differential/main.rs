//! Our reader of HTTP/1.1 against hyper, Node and nginx: the same bytes must be parsed as the same requests.
//!
//! `HTTP_DIFFERENTIAL_SEED` sets the seed, `HTTP_DIFFERENTIAL_ROUNDS` multiplies the number of inputs.

// Helpers outside of test functions unwrap as well; a panic is how a test fails.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, as intended")]

mod decisions;
mod generate;
mod readers;
mod reading;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tests::random::Random;

const INPUTS: usize = 10_000;
/// Number of simultaneous connections to each reader.
const TOGETHER: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_http_servers_read_the_same_requests() {
    let behind = readers::Behind::default();
    let ours = readers::ours(Arc::default()).await;
    let hyper = readers::hyper().await;
    let (node, _node) = readers::node().await;
    let (nginx, _nginx, _folder) = readers::nginx(readers::ours(Arc::clone(&behind)).await).await;

    let mut random = Random::new(number("HTTP_DIFFERENTIAL_SEED", 20_261_129));
    let count = INPUTS * usize::try_from(number("HTTP_DIFFERENTIAL_ROUNDS", 1)).unwrap();
    let inputs: Vec<Vec<u8>> = (0..count).map(|_| generate::input(&mut random)).collect();
    let mut readings = stream::iter(&inputs)
        .map(|input| async move {
            let (ours, hyper, node, nginx) = tokio::join!(
                readers::read(ours, input),
                readers::read(hyper, input),
                readers::read(node, input),
                readers::read(nginx, input)
            );
            (input, ours, [("hyper", hyper), ("node", node), ("nginx", nginx)])
        })
        .buffered(TOGETHER);

    let mut decided: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut unlisted: BTreeMap<String, usize> = BTreeMap::new();
    let (mut alike, mut taken, mut refused) = (0_usize, 0_usize, 0_usize);
    while let Some((input, ours, others)) = readings.next().await {
        taken += ours.seen.len();
        refused += usize::from(ours.refused.is_some());
        for (name, theirs) in others {
            for id in &theirs.ids {
                assert!(
                    behind.lock().unwrap().remove(id).is_some(),
                    "an answer to a request that we did not see"
                );
            }
            match reading::differ(&ours, &theirs) {
                None => alike += 1,
                Some(differ) => match decisions::decide(name, differ, input, &ours) {
                    Some(decision) => *decided.entry((decision, name)).or_default() += 1,
                    None => {
                        let shown = input.escape_ascii();
                        println!("{name} {differ:?}: {shown}\n  ours {ours:?}\n  {name} {theirs:?}");
                        *unlisted.entry(format!("{name} {differ:?}")).or_default() += 1;
                    }
                },
            }
        }
    }
    println!("{count} inputs, {taken} requests, {refused} refusals; {alike} readings alike; {decided:?}");
    assert!(unlisted.is_empty(), "differences that README.md does not explain: {unlisted:?}");
    assert!(behind.lock().unwrap().is_empty(), "requests that nginx does not know of: {behind:?}");
    let readme = include_str!("README.md");
    for (decision, _) in decided.keys() {
        assert!(readme.contains(&format!("**{decision}**")), "README.md does not explain {decision}");
    }
    assert!(taken > INPUTS && refused > INPUTS / 5, "the inputs are not what this test needs");
}

fn number(name: &str, default: u64) -> u64 {
    let number = std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    println!("{name}={number}");
    number
}

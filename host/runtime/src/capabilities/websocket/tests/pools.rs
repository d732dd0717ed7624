//! Reaching gateways that cannot be reached, and keeping lines.

use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::gateway::{LONG, address, gateway, limits, pool, raw, take, until, works};
use crate::capabilities::websocket::address::Address;
use crate::capabilities::websocket::line::Failure;
use crate::limits::Limits;

#[tokio::test]
async fn an_address_that_does_not_answer_is_left_alone_for_a_moment() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = address(&listener);
    drop(listener);
    let (pool, counters) = pool(&limits());
    let Err(Failure::Unavailable(why)) = take(&pool, &address).await else { panic!("nobody listens") };
    assert!(why.contains(&address.text) && why.contains("refused"), "{why}");
    // From now on somebody listens, and is not asked at once.
    let listener = TcpListener::bind(("127.0.0.1", address.port)).await.expect("the same port");
    let since = Instant::now();
    assert_eq!(take(&pool, &address).await.err(), Some(Failure::Unavailable(why)));
    assert!(since.elapsed().as_millis() < 200, "it is told at once");
    assert_eq!((counters.paused.get(), counters.connections.get()), (1, 0));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async {
                super::gateway::Peer(tokio_tungstenite::accept_async(stream).await.expect("ours"))
                    .echo()
                    .await
            });
        }
    });
    let held = loop {
        match take(&pool, &address).await {
            Ok((held, _)) => break held,
            Err(_) => tokio::time::sleep(super::gateway::SHORT).await,
        }
        assert!(since.elapsed() < LONG, "it is never tried again");
    };
    works(&held.line).await;
    assert_eq!(counters.connections.get(), 1);
}

/// Someone who listens and answers the handshake with this, or not at all.
async fn refuses(answer: &'static [u8], words: &str) -> Failure {
    let (address, count) = raw(move |mut stream: TcpStream| async move {
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await;
        let _ = stream.write_all(answer).await;
        if answer.is_empty() {
            let _ = stream.read(&mut asked).await; // until the other end has had enough
        }
    })
    .await;
    let (pool, _) = pool(&limits());
    let failure = take(&pool, &address).await.expect_err(words);
    let shown = format!("{failure:?}");
    assert!(shown.contains(words) && !shown.contains("SECRET"), "{words}: {shown}");
    assert_eq!(count.load(Ordering::SeqCst), 1, "a redirect would be a second connection");
    failure
}

#[tokio::test]
async fn handshakes_that_fail() {
    let end = "\r\nContent-Length: 0\r\n\r\n";
    let answers: [(&'static [u8], &str); 7] = [
        (b"HTTP/1.1 401 SECRET\r\nContent-Length: 0\r\n\r\n", "HTTP 401"),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://SECRET\r\nContent-Length: 0\r\n\r\n", "not followed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP 200 and no websocket"),
        (b"HTTP/1.1 503 SECRET\r\nContent-Length: 0\r\n\r\n", "HTTP 503"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
           Sec-WebSocket-Accept: SECRET\r\n\r\n",
            "does not speak websocket",
        ),
        (b"SSH-2.0-SECRET\r\n", "does not speak websocket"),
        (b"\x15\x03\x01\x00\x02\x02\x50", "does not speak websocket"),
    ];
    assert!(answers.iter().any(|(bytes, _)| bytes.ends_with(end.as_bytes())));
    for (answer, words) in answers {
        assert!(matches!(refuses(answer, words).await, Failure::Unavailable(_)), "{words}");
    }
    let late = refuses(b"", "no answer within 300 ms").await;
    assert!(matches!(late, Failure::TimedOut(_)), "{late:?}");
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_not_followed_without_tls() {
    // What no resolver has to be asked about.
    let (pool, _) = pool(&limits());
    let elsewhere = Address::parse("ws://0.0.0.0:9").expect("an address");
    let Err(Failure::Forbidden(why)) = take(&pool, &elsewhere).await else { panic!("it went there") };
    assert!(why.contains("not encrypted") && why.contains("plain = "), "{why}");
}

#[tokio::test]
async fn a_kept_line_is_used_again_with_its_note() {
    let (address, count) = gateway(|peer| peer.echo()).await;
    let (pool, _) = pool(&limits());
    let (held, _) = take(&pool, &address).await.expect("it answers");
    pool.keep(&address.text, held, "boot 7".to_owned());
    let (held, note) = take(&pool, &address).await.expect("it was kept");
    assert_eq!(note.as_deref(), Some("boot 7"));
    works(&held.line).await;
    // Another one beside it is new.
    let (other, note) = take(&pool, &address).await.expect("it answers");
    assert_eq!((note, count.load(Ordering::SeqCst)), (None, 2));
    works(&other.line).await;
}

#[tokio::test]
async fn a_line_that_ended_while_nobody_used_it_is_not_used() {
    let (address, count) = gateway(|mut peer| async move {
        let _ = peer.0.close(None).await;
    })
    .await;
    let (pool, _) = pool(&limits());
    let (held, _) = take(&pool, &address).await.expect("it answers");
    until("the end of the line", || held.line.ended().is_some()).await;
    pool.keep(&address.text, held, "boot 7".to_owned());
    let (_, note) = take(&pool, &address).await.expect("it answers again");
    assert_eq!((note, count.load(Ordering::SeqCst)), (None, 2));
}

#[tokio::test]
async fn there_are_only_so_many_lines() {
    let (address, _) = gateway(|peer| peer.echo()).await;
    let (other, _) = gateway(|peer| peer.echo()).await;
    let (pool, _) = pool(&limits());
    let (first, _) = take(&pool, &address).await.expect("the first");
    let (second, _) = take(&pool, &address).await.expect("the second");
    let third = take(&pool, &address).await.expect_err("two are allowed");
    assert_eq!(third, Failure::Limited("2 connections at once (connections)".to_owned()));
    // One that nobody uses gives way to one that is needed.
    pool.keep(&address.text, first, "note".to_owned());
    let (third, note) = take(&pool, &other).await.expect("there is room");
    assert_eq!(note, None);
    works(&third.line).await;
    drop(second);
    let (fourth, note) = take(&pool, &address).await.expect("there is room");
    assert_eq!(note, None, "the kept one gave way");
    works(&fourth.line).await;
}

#[tokio::test]
async fn a_line_that_is_let_go_is_closed() {
    let gone = std::sync::Arc::new(tokio::sync::Notify::new());
    let tell = gone.clone();
    let (address, _) = gateway(move |mut peer| {
        let tell = tell.clone();
        async move {
            while let Some(Ok(_)) = futures_util::StreamExt::next(&mut peer.0).await {}
            tell.notify_one();
        }
    })
    .await;
    let (pool, _) = pool(&Limits::for_backend());
    drop(take(&pool, &address).await.expect("it answers"));
    tokio::time::timeout(LONG, gone.notified()).await.expect("a goodbye");
    // With the plugin its kept lines go too.
    let (held, _) = take(&pool, &address).await.expect("it answers");
    pool.keep(&address.text, held, "note".to_owned());
    drop(pool);
    tokio::time::timeout(LONG, gone.notified()).await.expect("a goodbye");
}

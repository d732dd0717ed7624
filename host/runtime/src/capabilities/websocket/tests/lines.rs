//! What may go wrong on a line, one test each.

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::gateway::{LONG, Peer, SHORT, ask, line, text, until, works};
use crate::capabilities::websocket::frame::Reply;
use crate::capabilities::websocket::line::{Failure, Line};
use crate::capabilities::websocket::secrets::{Mask, Secret};
use crate::network::SecretPlace;

#[tokio::test]
async fn answers_find_their_questions_in_any_order() {
    let (held, counters) = line(|mut peer| async move {
        let (first, second) = (peer.request().await, peer.request().await);
        peer.answer(&second, json!("second")).await;
        // Nobody asked these, or not any more.
        peer.answer(&second, json!("again")).await;
        peer.answer(&json!({ "id": "999" }), json!("nobody")).await;
        peer.answer(&json!({ "id": 7 }), json!("no id of ours")).await;
        peer.say(r#"{"type":"new","a":1}"#).await;
        peer.answer(&first, json!("first")).await;
        peer.echo().await;
    })
    .await;
    let (none, line) = (json!({}), &held.line);
    let (first, second) = tokio::join!(ask(line, &none, LONG), ask(line, &none, LONG));
    let done = |text: &str| Ok(Reply::Done(format!("\"{text}\"")));
    assert_eq!((first.reply, second.reply), (done("first"), done("second")));
    works(line).await;
    assert_eq!(counters.stray_answers.get(), 4);
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let (held, _) = line(|mut peer| async move {
        let request = peer.request().await;
        peer.say(format!(r#"{{"type":"res","id":{},"ok":false,"error":{{"code":"X"}}}}"#, request["id"]))
            .await;
        peer.echo().await;
    })
    .await;
    let answer = ask(&held.line, &json!({}), LONG).await;
    assert_eq!(answer.reply, Ok(Reply::Refused("{\"code\":\"X\"}".to_owned())));
    works(&held.line).await;
}

/// The line ends with this once something is asked, and stays ended.
async fn ends(held: &Line, kind: fn(String) -> Failure, words: &str) {
    let answer = ask(held, &json!({}), LONG).await;
    let failure = answer.reply.expect_err(words);
    let shown = format!("{failure:?}");
    let want = format!("{:?}", kind(String::new()));
    assert_eq!(shown.split('(').next(), want.split('(').next(), "{shown}");
    assert!(shown.contains(words), "{words}: {shown}");
    assert_eq!(held.ended().expect("it ended").failure, failure);
    let again = ask(held, &json!({}), LONG).await;
    assert_eq!((again.sent, again.reply), (false, Err(failure.clone())));
    while let Ok(event) = held.event(LONG).await {
        assert!(event.is_some(), "nothing comes of a line that ended");
    }
    assert_eq!(held.event(LONG).await, Err(failure));
}

#[tokio::test]
async fn a_close_code_is_told() {
    let (held, _) = line(|mut peer| async move {
        peer.request().await;
        let frame = CloseFrame { code: CloseCode::Policy, reason: "unauthorized:\u{1b}[2J token".into() };
        let _ = peer.0.close(Some(frame)).await;
        peer.echo().await;
    })
    .await;
    ends(&held.line, Failure::Unavailable, "closed the connection (1008: unauthorized:").await;
    let ended = held.line.ended().expect("it ended");
    assert_eq!(ended.code, Some(1008));
    assert!(!ended.reason.contains('\u{1b}'), "{}", ended.reason);
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_a_message() {
    let (held, _) = line(|mut peer| async move {
        peer.request().await;
        let mut stream = peer.0.into_inner();
        // A text of 100 bytes, of which 10 come.
        let _ = stream.write_all(b"\x81\x64{\"type\":\"r").await;
    })
    .await;
    ends(&held.line, Failure::Unavailable, "the connection").await;
}

#[tokio::test]
async fn a_frame_that_is_too_large() {
    let (held, _) = line(|mut peer| async move {
        peer.request().await;
        peer.say("x".repeat(20 << 20)).await;
        peer.echo().await;
    })
    .await;
    ends(&held.line, Failure::Limited, "more than 100000 bytes (message_bytes)").await;
}

#[tokio::test]
async fn many_frames_that_are_too_much() {
    let (held, _) = line(|mut peer| async move {
        peer.request().await;
        for _ in 0..20 {
            peer.say(json!({ "type": "event", "event": "x", "payload": "x".repeat(90_000) }).to_string())
                .await;
        }
        peer.echo().await;
    })
    .await;
    ends(&held.line, Failure::Limited, "1000000 bytes in one call (received_bytes)").await;
}

#[tokio::test]
async fn what_is_no_message_of_the_protocol() {
    for frame in ["no JSON", "[]", "{}", "", r#"{"type":"res","id":"1","ok":true} x"#] {
        let (held, _) = line(move |mut peer: Peer| async move {
            peer.request().await;
            peer.say(frame).await;
            peer.echo().await;
        })
        .await;
        ends(&held.line, Failure::Nonsense, "no message of the protocol").await;
    }
    let (held, _) = line(|mut peer| async move {
        peer.request().await;
        peer.send(Message::binary(b"{}".to_vec())).await;
        peer.echo().await;
    })
    .await;
    ends(&held.line, Failure::Nonsense, "a binary frame").await;
    let (held, _) = line(|mut peer| async move {
        peer.request().await;
        let _ = peer.0.get_mut().write_all(b"\x81\x02\xff\xfe").await;
        peer.echo().await;
    })
    .await;
    ends(&held.line, Failure::Nonsense, "no UTF-8").await;
}

#[tokio::test]
async fn a_flood_of_pings() {
    let (held, _) = line(|mut peer| async move {
        peer.request().await;
        for _ in 0..2_000 {
            peer.send(Message::Ping(Vec::new().into())).await;
        }
        peer.echo().await;
    })
    .await;
    ends(&held.line, Failure::Limited, "pings without a message").await;
}

#[tokio::test]
async fn a_ping_is_answered_while_nobody_asks() {
    let (seen, told) = (std::sync::Arc::new(tokio::sync::Notify::new()), std::sync::Arc::default());
    let (tell, _keep): (_, std::sync::Arc<()>) = (seen.clone(), told);
    let (_held, _) = line(move |mut peer: Peer| {
        let tell = tell.clone();
        async move {
            peer.send(Message::Ping(b"x".to_vec().into())).await;
            while let Some(Ok(message)) = futures_util::StreamExt::next(&mut peer.0).await {
                if message == Message::Pong(b"x".to_vec().into()) {
                    tell.notify_one();
                }
            }
        }
    })
    .await;
    tokio::time::timeout(LONG, seen.notified()).await.expect("a pong");
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    // One says nothing, one stops in the middle, one sends a byte now and then.
    let silent = line(|mut peer| async move {
        peer.request().await;
        peer.request().await;
    });
    let stopped = line(|mut peer| async move {
        peer.request().await;
        let _ = peer.0.get_mut().write_all(b"\x81\x64{\"type\":\"r").await;
        peer.request().await;
    });
    let slow = line(|mut peer| async move {
        peer.request().await;
        let _ = peer.0.get_mut().write_all(b"\x81\x64").await;
        for _ in 0..99 {
            let _ = peer.0.get_mut().write_all(b"x").await;
            let _ = peer.0.get_mut().flush().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    for held in [silent.await.0, stopped.await.0, slow.await.0] {
        let answer = ask(&held.line, &json!({}), SHORT).await;
        assert!(answer.sent && matches!(answer.reply, Err(Failure::TimedOut(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn what_was_given_up_is_not_sent_any_more() {
    let (held, _) = line(|mut peer| async move {
        let request = peer.request().await;
        peer.answer(&request, json!({ "first": request["params"] })).await;
        peer.echo().await;
    })
    .await;
    let id = held.line.number();
    // One look at it puts it into the queue; its task has had no turn yet.
    assert!(held.line.ask(id, text(id, &json!("given up")), LONG).now_or_never().is_none());
    let answer = ask(&held.line, &json!("wanted"), LONG).await;
    assert_eq!(answer.reply, Ok(Reply::Done("{\"first\":\"wanted\"}".to_owned())));
}

#[tokio::test]
async fn events_wait_and_the_oldest_are_dropped() {
    let (held, counters) = line(|mut peer| async move {
        for n in 0..10 {
            peer.say(json!({ "type": "event", "event": "e", "payload": n }).to_string()).await;
        }
        peer.echo().await;
    })
    .await;
    works(&held.line).await;
    for n in 7..10 {
        assert_eq!(held.line.event(LONG).await, Ok(Some(("e".to_owned(), n.to_string()))));
    }
    assert_eq!(held.line.event(SHORT).await, Ok(None));
    assert_eq!(counters.events_dropped.get(), 7);
}

#[tokio::test]
async fn an_event_wakes_whoever_waits_for_it() {
    let (held, _) = line(|mut peer| async move {
        peer.request().await;
        peer.say(r#"{"type":"event","event":"connect.challenge","payload":{"nonce":"n"}}"#).await;
        peer.echo().await;
    })
    .await;
    let (none, line) = (json!({}), &held.line);
    let (event, _) = tokio::join!(line.event(LONG), ask(line, &none, SHORT));
    assert_eq!(event, Ok(Some(("connect.challenge".to_owned(), "{\"nonce\":\"n\"}".to_owned()))));
}

#[tokio::test]
async fn a_secret_that_comes_back_is_not_passed_on() {
    let dir = tempfile::tempdir().expect("a temp folder");
    let path = dir.path().join("token");
    std::fs::write(&path, "tok-SECRET").expect("written");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("our own");
    let secret = Secret::read(&SecretPlace::File(path)).expect("a secret");
    let (held, _) = line(|mut peer| async move {
        let request = peer.request().await;
        let token = request["params"]["token"].as_str().expect("sent").to_owned();
        peer.say(json!({ "type": "event", "event": token, "payload": { token.as_str(): 1 } }).to_string())
            .await;
        peer.answer(&request, json!([request["params"].clone()])).await;
        let request = peer.request().await;
        peer.answer(&request, json!({})).await;
        let frame = CloseFrame { code: CloseCode::Policy, reason: format!("bad {token}").into() };
        let _ = peer.0.close(Some(frame)).await;
        peer.echo().await;
    })
    .await;
    held.line.conceal(Mask::of("ws://127.0.0.1:1", "token", &secret).expect("masked"));
    let answer = ask(&held.line, &json!({ "token": secret.reveal() }), LONG).await;
    assert_eq!(answer.reply, Ok(Reply::Done("[{\"token\":\"[secret token]\"}]".to_owned())));
    let event = held.line.event(LONG).await.expect("it stands").expect("an event");
    assert_eq!(event, ("[secret token]".to_owned(), "{\"[secret token]\":1}".to_owned()));
    ask(&held.line, &json!({}), LONG).await.reply.expect("an answer");
    until("the end of the line", || held.line.ended().is_some()).await;
    let shown = format!("{:?} {held:?}", held.line.ended());
    assert!(shown.contains("bad [secret token]") && !shown.contains("tok-SECRET"), "{shown}");
}

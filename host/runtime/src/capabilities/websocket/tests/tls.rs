//! Encrypted lines: whom they believe.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::gateway::{limits, take, works};
use crate::capabilities::websocket::address::Address;
use crate::capabilities::websocket::line::Failure;
use crate::capabilities::websocket::pool::Pool;
use crate::network::Network;

/// An encrypted gateway with a certificate for this name: its port, and the
/// certificate.
async fn gateway(name: &str) -> (u16, String) {
    let made = generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    let CertifiedKey { cert, signing_key } = made;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key));
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a configuration")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it listens").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                use futures_util::{SinkExt, StreamExt};
                while let Some(Ok(message)) = socket.next().await {
                    let Ok(text) = message.to_text() else { continue };
                    let Ok(request) = serde_json::from_str::<serde_json::Value>(text) else { continue };
                    let answer = serde_json::json!({
                        "type": "res", "id": request["id"], "ok": true, "payload": request["params"],
                    });
                    let _ = socket.send(answer.to_string().into()).await;
                }
            });
        }
    });
    (port, cert.pem())
}

fn pool(ca_file: Option<&Path>) -> Pool {
    let network = Network { ca_file: ca_file.map(Path::to_owned), ..Network::default() };
    Pool::new(&limits(), network, Arc::default())
}

#[tokio::test]
async fn only_those_who_are_believed() {
    let dir = tempfile::tempdir().expect("a temp folder");
    let (ca, none) = (dir.path().join("ca.pem"), dir.path().join("none.pem"));
    let (port, pem) = gateway("localhost").await;
    std::fs::write(&ca, pem).expect("written");
    std::fs::write(&none, "no certificate").expect("written");
    let address = |host: &str| Address::parse(&format!("wss://{host}:{port}")).expect("an address");
    let (held, _) = take(&pool(Some(&ca)), &address("localhost")).await.expect("it is believed");
    works(&held.line).await;
    for (ca_file, host, words) in [
        (None, "localhost", "TLS failed"),
        (Some(ca.as_path()), "127.0.0.1", "TLS failed"),
        (Some(none.as_path()), "localhost", "no certificate"),
        (Some(Path::new("/none.pem")), "localhost", "/none.pem"),
    ] {
        let failure = take(&pool(ca_file), &address(host)).await.expect_err(words);
        let (Failure::Unavailable(why) | Failure::Forbidden(why)) = failure else { panic!("{failure:?}") };
        // Without any authorities of its own, a machine says so.
        assert!(why.contains(words) || why.contains("has no certificates"), "{why}");
    }
}

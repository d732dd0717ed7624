//! Reaching a gateway: name, TCP, TLS, handshake, with one time limit around all.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, http};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::address::Address;
use super::line::Failure;

/// Bytes that go both ways, encrypted or not.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A websocket that was opened.
pub(crate) type Socket = WebSocketStream<Box<dyn Wire>>;

/// Whom TLS believes: these authorities, or the machine's own.
pub(crate) fn trust(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let wrong = |why: String| format!("ca_file {}: {why}", file.display());
            for certificate in
                CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?
            {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("it holds no certificate (PEM)".to_owned()));
            }
        }
        None => {
            let machine = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(machine.certs);
            if roots.is_empty() {
                return Err(
                    "this machine has no certificates of authorities; install them, or name some: ca_file \
                            in [backends.NAME.websocket]"
                        .to_owned(),
                );
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Opens a websocket. `most` is the size of the largest message that is taken.
pub(crate) async fn connect(
    address: &Address,
    tls: Option<Arc<ClientConfig>>,
    most: usize,
    within: Duration,
) -> Result<Socket, Failure> {
    let opened = tokio::time::timeout(within, open(address, tls, most)).await;
    let late =
        || Failure::TimedOut(format!("{} gave no answer within {} ms", address.text, within.as_millis()));
    opened.unwrap_or_else(|_| Err(late()))
}

async fn open(address: &Address, tls: Option<Arc<ClientConfig>>, most: usize) -> Result<Socket, Failure> {
    let tcp = reach(address).await?;
    let unreachable = |why: String| Failure::Unavailable(format!("{}: {why}", address.text));
    let wire: Box<dyn Wire> = match tls {
        None => Box::new(tcp),
        Some(config) => {
            let name = ServerName::try_from(address.host.clone())
                .map_err(|_| unreachable("its name cannot stand in a certificate".to_owned()))?;
            let encrypted = TlsConnector::from(config).connect(name, tcp).await;
            Box::new(encrypted.map_err(|error| unreachable(format!("TLS failed: {error}")))?)
        }
    };
    let config = WebSocketConfig::default().max_message_size(Some(most)).max_frame_size(Some(most));
    let request = address.text.as_str().into_client_request();
    let request = request.map_err(|error| unreachable(error.to_string()))?;
    match client_async_with_config(request, wire, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(unreachable(refused(&error))),
    }
}

async fn reach(address: &Address) -> Result<TcpStream, Failure> {
    let unreachable = |error: std::io::Error| Failure::Unavailable(format!("{}: {error}", address.text));
    let found: Vec<SocketAddr> =
        lookup_host((address.host.as_str(), address.port)).await.map_err(unreachable)?.collect();
    let allowed = || found.iter().filter(|socket| address.may_reach(socket.ip()));
    if let (None, Some(elsewhere)) = (allowed().next(), found.first()) {
        return Err(Failure::Forbidden(address.unencrypted(elsewhere.ip())));
    }
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for socket in allowed() {
        match TcpStream::connect(socket).await {
            Ok(stream) => {
                // Only speed is lost where that is refused.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(unreachable(last))
}

/// Why a handshake failed. Nothing of the other side's own words is told: it may have
/// anything in it.
fn refused(error: &Error) -> String {
    match error {
        Error::Http(answer) if answer.status().is_redirection() => {
            format!("it sends elsewhere (HTTP {}), and that is not followed", answer.status().as_u16())
        }
        Error::Http(answer) if answer.status() == http::StatusCode::UNAUTHORIZED => {
            "it refuses whoever is not logged in (HTTP 401)".to_owned()
        }
        Error::Http(answer) => format!("it answered with HTTP {} and no websocket", answer.status().as_u16()),
        Error::Io(error) => format!("the handshake failed: {error}"),
        Error::Protocol(_) | Error::HttpFormat(_) | Error::Utf8(_) => {
            "it does not speak websocket: the handshake failed".to_owned()
        }
        other => format!("the handshake failed: {other}"),
    }
}

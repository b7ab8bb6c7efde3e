//! Where the server listens: HTTPS for browsers and tools, a socket file for root and the agent
//! of the same machine.

use super::access::{ConnectedAt, Origin};
use super::{Server, api};
use anyhow::{Context, Result};
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// Open connections; above it, new ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 2_048;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// A running HTTPS listener.
pub struct Https {
    /// Where it really listens.
    pub address: SocketAddr,
    /// Ends only with an error.
    pub task: JoinHandle<()>,
}

/// Starts to listen for HTTPS.
pub async fn https(server: Server, address: SocketAddr) -> Result<Https> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("listening on {address}\nhint: another program may have the port; give another with --listen")
    })?;
    let address = listener.local_addr()?;
    let _ = server.address.set(address);
    let authority = server.authority.clone();
    let renewed = server.connections.subscribe();
    let router = api::network(server);
    let task = tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            // asked for each time: it changes when the certificate is renewed
            let acceptor = TlsAcceptor::from(authority.tls().browser);
            let (router, renewed) = (router.clone(), renewed.clone());
            tokio::spawn(async move {
                let _place = place;
                let _ = stream.set_nodelay(true);
                if let Ok(Ok(tls)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                    serve(TokioIo::new(tls), router, Origin::Network(peer.ip().to_canonical()), renewed).await;
                }
            });
        }
    });
    Ok(Https { address, task })
}

/// Starts to listen on the socket file. Only processes of root or of the server's own user are
/// answered; the kernel tells who they are (SO_PEERCRED, unix(7)).
pub fn socket(server: Server, path: &Path) -> Result<JoinHandle<()>> {
    let doing = || format!("listening on the socket `{}`", path.display());
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(doing),
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(doing)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).with_context(doing)?;
    let router = api::local(server);
    Ok(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let own = nix::unistd::geteuid().as_raw();
            if !stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own) {
                continue;
            }
            let router = router.clone();
            tokio::spawn(serve(TokioIo::new(stream), router, Origin::Socket, never_renewed()));
        }
    }))
}

/// For connections that need not be made anew: their other end makes one per request.
pub fn never_renewed() -> watch::Receiver<u64> {
    watch::channel(0).1
}

/// Serves HTTP/1 and HTTP/2 on one connection until it ends, or until `renewed` changes: then what
/// is under way is finished, and the other end has to connect anew.
pub async fn serve<T>(io: T, router: Router, origin: Origin, mut renewed: watch::Receiver<u64>)
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let connected_at = ConnectedAt(palisade_core::Timestamp::now());
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(origin));
        request.extensions_mut().insert(connected_at);
        router.clone().oneshot(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(64);
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);
    renewed.mark_unchanged();
    let result = tokio::select! {
        result = connection.as_mut() => result,
        Ok(()) = renewed.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended badly");
    }
}

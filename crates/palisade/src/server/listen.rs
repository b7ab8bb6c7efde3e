//! Where the server listens: one port for browsers, tools and the agents of other hosts, and a
//! socket file for root and the agent of the same machine.
//!
//! What a client asks for in its TLS greeting decides what it gets. `palisade-agent/1` is answered
//! with the request for a host's certificate and reaches the link only; everything else reaches the
//! console and the API, and is never asked for a certificate.

use super::access::{ConnectedAt, Origin};
use super::ca::{self, AgentPeer};
use super::peer::Peer;
use super::presence::End;
use super::{Server, api};
use anyhow::{Context, Result};
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use palisade_guard::link::ALPN;
use rustls::server::Acceptor;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

/// Connections of browsers and tools; above it, new ones are closed.
const BROWSERS_MAX: usize = 2_048;
/// Connections of agents; above it, new ones are closed, and come again later.
const AGENTS_MAX: usize = 50_000;
/// TLS greetings at once; above it, new ones wait in the kernel's queue.
const HANDSHAKES_MAX: usize = 256;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// An agent's connection is asked for a sign of life this often, and given up when none comes.
const PING_EVERY: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// A connection that is cut has this long to send its last answer.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);
/// Requests of one agent at a time: its stream of orders, a report, and something small.
const AGENT_STREAMS_MAX: u32 = 8;
/// Bytes of one agent's answers that wait to be sent.
const AGENT_SEND_BYTES_MAX: usize = 64 << 10;

/// A running HTTPS listener.
pub struct Https {
    /// Where it really listens.
    pub address: SocketAddr,
    /// Ends only with an error.
    pub task: JoinHandle<()>,
}

/// How many connections there may be, and what they reach.
struct Port {
    server: Server,
    network: Router,
    link: Router,
    browsers: Semaphore,
    agents: Semaphore,
}

/// Starts to listen for HTTPS.
pub async fn https(server: Server, address: SocketAddr) -> Result<Https> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("listening on {address}\nhint: another program may have the port; give another with --listen")
    })?;
    let address = listener.local_addr()?;
    let _ = server.address.set(address);
    let port = Arc::new(Port {
        network: api::network(server.clone()),
        link: api::link(server.clone()),
        browsers: Semaphore::new(BROWSERS_MAX),
        agents: Semaphore::new(AGENTS_MAX),
        server,
    });
    let task = tokio::spawn(async move {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        loop {
            let Ok(place) = Arc::clone(&handshakes).acquire_owned().await else { return };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let port = Arc::clone(&port);
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let greeted = tokio::time::timeout(HANDSHAKE_TIMEOUT, greet(&port.server, stream)).await;
                drop(place);
                match greeted {
                    Ok(Ok(Greeted::Browser(tls))) => browser(&port, *tls, peer).await,
                    Ok(Ok(Greeted::Agent(tls, agent))) => self::agent(&port, *tls, agent, peer).await,
                    Ok(Err(error)) => tracing::debug!(%error, from = %peer, "a TLS greeting failed"),
                    Err(_) => {}
                }
            });
        }
    });
    Ok(Https { address, task })
}

enum Greeted {
    Browser(Box<TlsStream<TcpStream>>),
    Agent(Box<TlsStream<TcpStream>>, AgentPeer),
}

/// Reads the greeting, and ends the handshake as it asks for.
async fn greet(server: &Server, stream: TcpStream) -> std::io::Result<Greeted> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let asks_for_link = start.client_hello().alpn().is_some_and(|mut names| names.any(|name| name == ALPN));
    let configs = server.authority.tls();
    if !asks_for_link {
        return Ok(Greeted::Browser(Box::new(start.into_stream(configs.browser).await?)));
    }
    let tls = start.into_stream(configs.agent).await?;
    let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let agent = certificate.ok_or_else(|| std::io::Error::other("no certificate"))?;
    let agent = ca::subject(agent).map_err(std::io::Error::other)?;
    Ok(Greeted::Agent(Box::new(tls), agent))
}

async fn browser(port: &Port, tls: TlsStream<TcpStream>, peer: SocketAddr) {
    let Ok(_place) = port.browsers.try_acquire() else { return };
    let renewed = port.server.connections.subscribe();
    let origin = Origin::Network(peer.ip().to_canonical());
    serve(TokioIo::new(tls), port.network.clone(), origin, renewed).await;
}

/// Serves the link to one agent until it ends, is cut off, or goes dead.
async fn agent(port: &Port, tls: TlsStream<TcpStream>, agent: AgentPeer, from: SocketAddr) {
    let server = &port.server;
    let Ok(_place) = port.agents.try_acquire() else { return };
    let admitted = async {
        let mut db = server.context.db.read().acquire().await?;
        super::peer::admitted(&mut db, &agent).await
    };
    if let Err(error) = admitted.await {
        return tracing::warn!(host.id = %agent.host, %from, why = error.message(), "an agent is not let in");
    }
    let peer = Peer::new(agent.host.clone(), server.presence.connection());
    let mut cuts = server.context.cuts();
    let (router, shown) = (port.link.clone(), peer.clone());
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(shown.clone());
        request.extensions_mut().insert(agent.clone());
        router.clone().oneshot(request)
    });
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(AGENT_STREAMS_MAX)
        .max_send_buf_size(AGENT_SEND_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(tls), service);
    tokio::pin!(connection);
    let cut = async {
        // one that lagged behind cannot tell whether it was meant: it ends, and the agent comes again
        while cuts.recv().await.is_ok_and(|host| host != peer.host) {}
    };
    let ended = tokio::select! {
        result = connection.as_mut() => Some(result),
        () = peer.is_cut() => None,
        () = cut => None,
    };
    let result = match ended {
        Some(result) => result,
        None => {
            // what was answered still goes out; more is not read
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(CUT_TIMEOUT, connection).await.unwrap_or(Ok(()))
        }
    };
    let end = if result.as_ref().is_err_and(went_dead) { End::Lost } else { End::Closed };
    tracing::debug!(host.id = %peer.host, ?end, result = ?result.err(), "an agent's connection ended");
    server.presence.ended(&peer.host, peer.connection, end, server.context.now());
}

/// True when nothing came any more: a ping without an answer, or a kernel that gave up.
fn went_dead(error: &hyper::Error) -> bool {
    use std::error::Error;
    use std::io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if io.is_some_and(|kind| matches!(kind, TimedOut | HostUnreachable | NetworkUnreachable)) {
            return true;
        }
        cause = error.source();
    }
    error.is_timeout()
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

//! Talking to gateways over websockets.

use wasmtime::component::Resource;

use crate::bindings::{commands, types, websocket};
use crate::capabilities::ending::PermitHandle;
use crate::state::State;

/// A guest's line to one address.
#[derive(Debug)]
pub struct Connection;

fn later() -> types::Error {
    types::Error::Unsupported("websockets".to_owned())
}

type Answer = Result<websocket::Reply, types::Error>;

impl websocket::Host for State {
    fn granted(&mut self) -> wasmtime::Result<Vec<websocket::Grant>> {
        Ok(Vec::new())
    }

    async fn open(
        &mut self,
        _address: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, types::Error>> {
        Ok(Err(later()))
    }

    async fn wait(&mut self, _time: u64) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl websocket::HostConnection for State {
    fn note(&mut self, _line: Resource<Connection>) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }

    fn keep(
        &mut self,
        _line: Resource<Connection>,
        _note: String,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        Ok(Err(later()))
    }

    async fn send(
        &mut self,
        _line: Resource<Connection>,
        _message: String,
        _arguments: Vec<commands::Argument>,
        _timeout: u64,
    ) -> wasmtime::Result<Answer> {
        Ok(Err(later()))
    }

    async fn ask(
        &mut self,
        _line: Resource<Connection>,
        requests: Vec<websocket::Request>,
        _timeout: u64,
    ) -> wasmtime::Result<Vec<Answer>> {
        Ok(requests.iter().map(|_| Err(later())).collect())
    }

    async fn end(
        &mut self,
        _line: Resource<Connection>,
        permits: Vec<Resource<PermitHandle>>,
        _message: String,
        _timeout: u64,
    ) -> wasmtime::Result<Vec<Answer>> {
        Ok(permits.iter().map(|_| Err(later())).collect())
    }

    async fn next_event(
        &mut self,
        _line: Resource<Connection>,
        _timeout: u64,
    ) -> wasmtime::Result<Result<Option<websocket::Event>, types::Error>> {
        Ok(Err(later()))
    }

    fn closed(&mut self, _line: Resource<Connection>) -> wasmtime::Result<Option<websocket::Closing>> {
        Ok(None)
    }

    fn drop(&mut self, line: Resource<Connection>) -> wasmtime::Result<()> {
        self.resources.delete(line)?;
        Ok(())
    }
}

//! A containerd shim for tests: what `io.containerd.wasmtime.v1` names, built on the library that upstream's is built
//! on, so that containers, cgroups and exit codes behave like upstream's.  It runs WASI preview 1 modules, compiled by
//! Cranelift at every start; precompiled images and components are beyond it.

use anyhow::{Context, Result};
use containerd_shim_wasm::sandbox::Sandbox;
use containerd_shim_wasm::sandbox::context::RuntimeContext;
use containerd_shim_wasm::shim::{Cli, Shim, Version, version};
use wasmtime::{Config, Engine, Linker, Module, Store};
use wasmtime_wasi::preview1::{self, WasiP1Ctx};
use wasmtime_wasi::{DirPerms, FilePerms, I32Exit, WasiCtxBuilder};

struct WasmtimeShim;

impl Shim for WasmtimeShim {
    type Sandbox = WasmtimeSandbox;

    fn name() -> &'static str {
        "wasmtime"
    }

    fn version() -> Version {
        version!()
    }
}

#[derive(Default)]
struct WasmtimeSandbox;

impl Sandbox for WasmtimeSandbox {
    /// Returns the module's exit code.  An error (a trap, no such export, an exit code that wasmtime refuses: 126 and
    /// more) is what the library turns into 137.
    async fn run_wasi(&self, context: &impl RuntimeContext) -> Result<i32> {
        let entry = context.entrypoint();
        let engine = Engine::new(Config::new().async_support(true))?;
        let module = Module::from_binary(&engine, &entry.source.as_bytes()?)?;
        let mut linker = Linker::new(&engine);
        preview1::add_to_linker_async(&mut linker, |wasi: &mut WasiP1Ctx| wasi)?;
        let mut store = Store::new(&engine, wasi_of(context)?);
        let instance = linker.instantiate_async(&mut store, &module).await?;
        let start = instance
            .get_func(&mut store, &entry.func)
            .with_context(|| format!("the module exports no function `{}`", entry.func))?;
        match start.call_async(&mut store, &[], &mut []).await {
            Ok(()) => Ok(0),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(exit) => Ok(exit.0),
                None => Err(error),
            },
        }
    }
}

/// What the module sees: the container's arguments, environment, root folder and streams.
///
/// Of the environment only what the container was given counts: this process has containerd's.
fn wasi_of(context: &impl RuntimeContext) -> Result<WasiP1Ctx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.inherit_stdio().args(context.args());
    wasi.preopened_dir("/", "/", DirPerms::all(), FilePerms::all())?;
    for setting in context.envs() {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        wasi.env(name, value);
    }
    Ok(wasi.build_p1())
}

fn main() {
    WasmtimeShim::run(None);
}

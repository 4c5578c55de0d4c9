defmodule Bounded.PlugServers do
  @moduledoc false
  # Starts the web servers that are there: `ERL_LIBS` names their folder.

  @bandit Bandit
  @cowboy Plug.Cowboy

  def all, do: Enum.filter([@bandit, @cowboy], &Code.ensure_loaded?/1)

  @doc "Starts `server` with a plug on a port of its own, which it returns."
  def start(@bandit, plug, options) do
    {:ok, _} = Application.ensure_all_started(:bandit)
    options = [plug: {plug, options}, port: 0, ip: :loopback, startup_log: false]
    pid = ExUnit.Callbacks.start_supervised!({@bandit, options}, id: make_ref())
    {:ok, {_, port}} = apply(ThousandIsland, :listener_info, [pid])
    port
  end

  def start(@cowboy, plug, options) do
    {:ok, _} = Application.ensure_all_started(:plug_cowboy)
    name = :"server #{System.unique_integer()}"
    # Without its telemetry, which is a package of its own.
    server = [port: 0, ip: {127, 0, 0, 1}, ref: name, stream_handlers: [:cowboy_stream_h]]
    spec = {@cowboy, scheme: :http, plug: {plug, options}, options: server}
    ExUnit.Callbacks.start_supervised!(spec, id: name)
    apply(:ranch, :get_port, [name])
  end
end

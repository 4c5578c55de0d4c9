defmodule Bounded.PlugServer do
  @moduledoc false
  # A server as `Quota.Plug` sees it: an adapter that only its owner may call, and that counts in its payload. Where Plug is not
  # there, `conn/1` brings a stand-in for what is needed of `Plug.Conn`, a module of the whole VM.

  @stand_in """
  defmodule Plug.Conn do
  defstruct adapter: nil, owner: nil, method: "GET", path_info: [], script_name: [], private: %{}, assigns: %{},
      halted: false, state: :unset, status: nil, resp_headers: [], resp_body: nil, req_headers: []

    def send_resp(conn, status, body) do
      {adapter, payload} = conn.adapter
      {:ok, body, payload} = adapter.send_resp(payload, status, conn.resp_headers, body)
      if conn.owner, do: send(conn.owner, {:plug_conn, :sent})
      %{conn | adapter: {adapter, payload}, status: status, resp_body: body, state: :sent}
    end

    def read_body(conn, options) do
      {adapter, payload} = conn.adapter

      case adapter.read_req_body(payload, options) do
        {:error, reason} -> {:error, reason}
        {tag, bytes, payload} -> {tag, bytes, %{conn | adapter: {adapter, payload}}}
      end
    end
  end
  """

  defstruct [:owner, :body, calls: 0, seen: []]

  @doc "A conn of the calling process, whose body comes in these pieces; the stand-in goes when the test ends."
  def conn(body \\ nil) do
    unless Code.ensure_loaded?(Plug.Conn) do
      Code.compile_string(@stand_in)

      ExUnit.Callbacks.on_exit(fn ->
        :code.purge(Plug.Conn)
        :code.delete(Plug.Conn)
      end)
    end

    struct(Plug.Conn, adapter: {__MODULE__, %__MODULE__{owner: self(), body: body}}, method: "GET")
  end

  @doc "Calls the adapter as `Plug.Conn` does."
  def adapter(%{adapter: {adapter, payload}} = conn, callback, args) do
    case apply(adapter, callback, [payload | args]) do
      {tag, value, payload} -> {{tag, value}, %{conn | adapter: {adapter, payload}}}
      result -> {result, conn}
    end
  end

  def send_resp(conn, status, body), do: apply(Plug.Conn, :send_resp, [conn, status, body])

  for {name, arity} <- [send_resp: 4, send_file: 6, send_chunked: 3] do
    args = Macro.generate_arguments(arity - 1, __MODULE__)

    def unquote(name)(state, unquote_splicing(args)) do
      state = called(state, unquote(name), unquote(args))
      send(state.owner, {:plug_conn, :sent})
      {:ok, nil, state}
    end
  end

  def chunk(state, "no payload"), do: state |> called(:chunk, ["no payload"]) |> ok()
  def chunk(_state, "closed"), do: {:error, :closed}
  def chunk(state, body), do: {:ok, nil, called(state, :chunk, [body])}

  def read_req_body(%{body: [piece | rest]} = state, options) do
    state = called(%{state | body: rest}, :read_req_body, [options])

    case {piece, rest} do
      {{:error, _} = error, _} -> error
      {piece, []} -> {:ok, piece, state}
      {piece, _} -> {:more, piece, state}
    end
  end

  def read_req_body(state, [:more]), do: {:more, "half", called(state, :read_req_body, [:more])}
  def read_req_body(_state, [:raise]), do: raise(ArgumentError, "the client is gone")
  def read_req_body(state, options), do: {:ok, "body", called(state, :read_req_body, options)}
  def inform(state, 103, headers), do: {:ok, called(state, :inform, [103, headers])}
  def inform(_state, _status, _headers), do: {:error, :not_supported}

  def upgrade(state, :websocket, options),
    do: {:ok, called(state, :upgrade, [:websocket, options])}

  def upgrade(_state, _protocol, _options), do: {:error, :not_supported}
  def push(_state, _path, _headers), do: :ok
  def get_peer_data(state), do: %{calls: called(state, :get_peer_data, []).calls}
  def get_http_protocol(_state), do: :"HTTP/1.1"
  def get_ssl_data(_state), do: nil
  # Of a version of Plug to come.
  def send_trailers(state, trailers), do: {:ok, called(state, :send_trailers, [trailers])}
  def get_everything(_state, what), do: {:ok, what}

  defp ok(_state), do: :ok

  defp called(%{owner: owner} = state, name, args) do
    if owner != self(), do: raise("Adapter functions must be called by stream owner")
    %{state | calls: state.calls + 1, seen: [{name, args} | state.seen]}
  end
end

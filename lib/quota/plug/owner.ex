defmodule Quota.Plug.Owner do
  @moduledoc false
  # The half of `Quota.Plug` that runs in the request's process, which owns the connection: it calls the server's adapter for the
  # work, which runs in another process. `Quota.Run` passes each request of the work on from its wait loop.
  #
  # The state (the adapter's payload, and whether a response was sent) is kept in the process dictionary under the alias to which
  # requests are sent, because it must outlive an exception.

  alias Quota.Plug.Adapter

  defstruct [:conn, :module, :payload, response: :none]

  @already_sent {:plug_conn, :sent}
  @sends %{send_resp: :complete, send_file: :complete, send_chunked: :begun, upgrade: :begun}
  # Callbacks that return the payload, and callbacks that do not.
  @with_payload [
    :send_resp,
    :send_file,
    :send_chunked,
    :chunk,
    :read_req_body,
    :inform,
    :upgrade
  ]
  # Milliseconds for which servers wait for a part of a body unless they are given `:read_timeout`, see `Plug.Conn.read_body/2`.
  @read_timeout 15_000
  @without_payload [:get_peer_data, :get_sock_data, :get_ssl_data, :get_http_protocol, :push]

  @doc "Begins to serve `conn`. Returns the alias for requests and the conn for the work."
  def open(%{adapter: {module, payload}} = conn, limit) do
    serving = :erlang.alias()
    response = if conn.state in [:unset, :set], do: :none, else: :complete

    Process.put(serving, %__MODULE__{
      conn: %{conn | adapter: nil},
      module: module,
      payload: payload,
      response: response
    })

    adapter = %Adapter{
      module: module,
      serving: serving,
      limit: limit,
      notify: conn.owner == nil
    }

    {serving, %{conn | adapter: {Adapter, adapter}}}
  end

  @doc "Stops serving, and removes late requests from the mailbox."
  def close(serving) do
    :erlang.unalias(serving)
    Process.delete(serving)
    flush(serving)
  end

  defp flush(serving) do
    receive do
      {^serving, _} -> flush(serving)
    after
      0 -> :ok
    end
  end

  @doc "Returns the part of a response that was sent: `:none`, `:begun` or `:complete`."
  def response(serving), do: Process.get(serving).response

  @doc "Returns the conn with which the work started, with the present state of the adapter."
  def conn(serving) do
    state = Process.get(serving)
    %{state.conn | adapter: {state.module, state.payload}}
  end

  @doc "Returns the conn of the work, from its changed fields, or any other result of the work."
  def returned({:changed, fields}, serving) do
    state = Process.get(serving)
    conn = :maps.merge(state.conn, fields)
    %{conn | adapter: {state.module, state.payload}, owner: state.conn.owner}
  end

  def returned(other, serving), do: restore(other, serving)

  @doc "Puts the server's adapter back into a conn of the work, or into the conns of an exception."
  def restore(%{__struct__: Plug.Conn, adapter: {Adapter, %{serving: serving}}} = conn, serving) do
    state = Process.get(serving)
    %{conn | adapter: {state.module, state.payload}, owner: state.conn.owner}
  end

  # `Plug.Conn.WrapperError` has a conn and an exception. Phoenix's error for a missing route has a conn.
  def restore(%{__exception__: true, conn: conn} = error, serving) do
    error = %{error | conn: restore(conn, serving)}

    case error do
      %{reason: reason} -> %{error | reason: restore(reason, serving)}
      _ -> error
    end
  end

  def restore(other, _serving), do: other

  @doc """
  Serves a request of the work. Returns `:ok`, or `:too_large` if the terms to be sent do not fit in the limit. Never raises:
  an exception of the adapter is sent to the work, which raises it again.
  """
  def serve(_serving, :too_large, _left), do: :too_large

  def serve(_serving, {:hand_back, metadata, values}, _left) do
    :logger.set_process_metadata(metadata)
    Enum.each(values, &put/1)
  end

  def serve(serving, {:call, from, tag, callback, args}, left) do
    state = Process.get(serving)

    try do
      apply(state.module, callback, [state.payload | within(callback, args, left)])
    catch
      kind, reason -> send(from, {tag, {:raised, kind, reason, __STACKTRACE__}})
    else
      result ->
        {payload, reply} = reply(callback, result, state.payload)
        response = Map.get(@sends, callback, state.response)
        Process.put(serving, %{state | payload: payload, response: response})
        if is_map_key(@sends, callback), do: sent(callback, state)
        send(from, {tag, reply})
    end

    :ok
  end

  # Nobody watches the time while the server waits for a slow client's body: it waits no longer than is left.
  defp within(:read_req_body, [options], left) when is_integer(left) and is_list(options) do
    {_, timeout} = List.keyfind(options, :read_timeout, 0, {:read_timeout, @read_timeout})
    # `:infinity` is larger than any number.
    [List.keystore(options, :read_timeout, 0, {:read_timeout, min(timeout, left)})]
  end

  defp within(_callback, args, _left), do: args

  defp put({key, nil}), do: Process.delete(key)
  defp put({key, value}), do: Process.put(key, value)

  # Plug sends this message to the conn's owner, which inside the work is the work's process.
  defp sent(:upgrade, _state), do: :ok
  defp sent(_callback, %{conn: %{owner: nil}}), do: :ok
  defp sent(_callback, %{conn: %{owner: owner}}), do: send(owner, @already_sent)

  defp reply(callback, result, payload) when callback in @without_payload,
    do: {payload, {:returned, result}}

  defp reply(callback, {tag, value, new}, _old) when callback in @with_payload,
    do: {new, {:with_payload, tag, value}}

  defp reply(callback, {:ok, new}, _old) when callback in @with_payload,
    do: {new, {:with_payload, :ok}}

  defp reply(callback, result, old) when callback in @with_payload,
    do: {old, {:returned, result}}

  # An unknown callback of a newer Plug. A value of the same shape as the old payload is the new payload.
  defp reply(_callback, result, old) do
    case result do
      {tag, value, new} -> if alike?(new, old), do: {new, {:with_payload, tag, value}}
      {tag, new} -> if alike?(new, old), do: {new, {:with_payload, tag}}
      _ -> nil
    end || {old, {:returned, result}}
  end

  defp alike?(%{__struct__: struct}, %{__struct__: struct}), do: true
  defp alike?(%{__struct__: _}, _), do: false
  defp alike?(new, %{} = old) when is_map(new), do: Map.keys(old) -- Map.keys(new) == []
  defp alike?(new, new), do: true
  defp alike?(_, _), do: false
end

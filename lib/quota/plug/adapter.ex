defmodule Quota.Plug.Adapter do
  @moduledoc false
  # The adapter of a conn inside `Quota.Plug`. Servers let only the request's process call theirs, so each callback is a request
  # to that process, which waits for the work and makes the call: see `Quota.Plug.Owner`.
  #
  # Requests go to an alias that ends with the work, so later requests are dropped.

  alias Quota.Run.CopySize

  # `module` is the server's adapter, `serving` the alias, `worker` the process of the work, `limit` the bytes that a request
  # may take when it is copied, and `notify` whether the server leaves it to the adapter to say that a response was sent.
  defstruct [:module, :serving, :worker, :limit, :notify]

  @already_sent {:plug_conn, :sent}
  # A body of at most this many bytes, and at most this part of the limit, is sent as one binary.
  @joined 256 * 1024
  @joined_part 16

  def send_resp(state, status, headers, body),
    do: state |> call(:send_resp, [status, headers, joined(body, state)]) |> sent(state)

  def send_file(state, status, headers, path, offset, length),
    do: state |> call(:send_file, [status, headers, path, offset, length]) |> sent(state)

  def send_chunked(state, status, headers),
    do: state |> call(:send_chunked, [status, headers]) |> sent(state)

  def chunk(state, body), do: call(state, :chunk, [joined(body, state)])
  def read_req_body(state, options), do: call(state, :read_req_body, [options])
  def inform(state, status, headers), do: call(state, :inform, [status, headers])
  def upgrade(state, protocol, options), do: call(state, :upgrade, [protocol, options])
  def push(state, path, headers), do: call(state, :push, [path, headers])
  def get_peer_data(state), do: call(state, :get_peer_data, [])
  def get_sock_data(state), do: optional(state, :get_sock_data)
  def get_ssl_data(state), do: optional(state, :get_ssl_data)
  def get_http_protocol(state), do: call(state, :get_http_protocol, [])

  # Called by the VM for functions that this module does not have: callbacks of newer versions of Plug.
  def unquote(:"$handle_undefined_function")(callback, [%__MODULE__{} = state | args]),
    do: call(state, callback, args)

  def unquote(:"$handle_undefined_function")(name, args),
    do: :erlang.raise(:error, :undef, [{__MODULE__, name, args, []}])

  # Plug asks the adapter whether it has these, and raises otherwise.
  defp optional(%{module: module} = state, callback) do
    if function_exported?(module, callback, 1),
      do: call(state, callback, []),
      else: raise("#{callback} not supported by #{inspect(module)}")
  end

  # A message copies a list, which the server then walks again, but only refers to a binary. Where the body is not iodata, the
  # server raises as it does without this.
  defp joined(body, %{limit: limit}) when is_list(body) do
    left = left(body, min(@joined, div(limit, @joined_part)))

    if left > 0 and :erlang.iolist_size(body) <= left,
      do: :erlang.iolist_to_binary(body),
      else: body
  rescue
    ArgumentError -> body
  end

  defp joined(body, _state), do: body

  # `left` less the number of elements; not positive if there are more. They are counted before their bytes: with sharing, a few words
  # can be a list without end, and the built-in functions would visit all of it. The first clause takes a third off the time.
  defp left([one, two | tail], left) when not is_list(one) and not is_list(two) and left > 0,
    do: left(tail, left - 2)

  defp left([head | tail], left) when is_list(head) and left > 0,
    do: left(tail, left(head, left - 1))

  defp left([_ | tail], left) when left > 0, do: left(tail, left - 1)
  defp left(_tail, left), do: left

  # Like a server's own adapter, if the conn has no owner to which Plug would send the message.
  defp sent(result, %{notify: true, worker: worker}) do
    send(worker, @already_sent)
    result
  end

  defp sent(result, _state), do: result

  defp call(%{serving: serving, worker: worker} = state, callback, args) do
    # A copy loses sharing: like a result, it has to fit in the limit.
    unless CopySize.at_most?(args, state.limit), do: too_large(state)

    if worker == self() do
      tag = make_ref()
      send(serving, {serving, {:call, self(), tag, callback, args}})

      receive do
        {^tag, result} -> returned(result, state)
      end
    else
      call_from_elsewhere(state, callback, args)
    end
  end

  # For a process that the work has started or that kept the conn: it gets no reply after the work has ended.
  defp call_from_elsewhere(%{serving: serving, worker: worker} = state, callback, args) do
    tag = Process.monitor(worker)
    send(serving, {serving, {:call, self(), tag, callback, args}})

    receive do
      {^tag, result} ->
        Process.demonitor(tag, [:flush])
        returned(result, state)

      {:DOWN, ^tag, _, _, _} ->
        raise "#{callback} was called on a conn of Quota.Plug whose work is over: use the conn that it returned"
    end
  end

  # The request's process ends the work, and then this process as well if it is the work's.
  defp too_large(%{serving: serving, worker: worker}) do
    monitor = Process.monitor(worker)
    send(serving, {serving, :too_large})

    receive do
      {:DOWN, ^monitor, _, _, reason} -> exit(reason)
    end
  end

  defp returned({:returned, result}, _state), do: result
  defp returned({:with_payload, tag, value}, state), do: {tag, value, state}
  defp returned({:with_payload, tag}, state), do: {tag, state}
  defp returned({:raised, kind, reason, stack}, _state), do: :erlang.raise(kind, reason, stack)
end

defmodule Quota.Plug do
  @moduledoc since: "0.1.0"
  @moduledoc """
  A memory limit for a route: `Quota.run/3` around a plug, a router or a controller action.

      plug Quota.Plug, to: MyAppWeb.Router, limit: Quota.mib(32)

  The plug `:to` then handles each request in a process of its own with at most `:limit` bytes. The request's process stays the owner
  of the connection: it waits for the work and calls the server's adapter (to read the body, to send a response, ...) on its
  behalf. Works with Bandit, Plug.Cowboy and any other adapter of Plug 1.14 or later.

  ## Responses

  | the work | response, if none has begun | otherwise |
  | --- | --- | --- |
  | exceeds its limit | `:status`, 503 by default | the server closes the connection, or resets the HTTP/2 stream |
  | takes longer than `:timeout` | 504 | the same |
  | finds no room in its `:pool` | 503 with `retry-after` | - |

  Bandit waits for a part of the body no longer than `:timeout` leaves. Plug.Cowboy waits for a client that sends nothing until Cowboy's own
  `idle_timeout` closes the connection. Sending to a slow client takes as long as the server lets it.

  A breach and a timeout log one line at level `:error`, at most one for each label in ten seconds (`config :bounded, log_breaches: false`
  silences them). A full pool is not logged. Behind a proxy that repeats a request after a 503 on another node, set `status: 413` or `500`: a
  request that exceeded its limit would exceed it there as well. The returned conn is halted, and its `before_send` callbacks have run. The
  next request of the connection starts without a limit.

  ## Options

    * `:to` - the plug: a module, `{module, options}`, or a function that takes and returns a conn. Required
    * `:limit` - bytes, or a function of the conn that returns bytes, `{bytes, options}`, or nil for no limit
    * `:limits` - instead of `:limit`: a list of `{prefix, bytes}` or `{prefix, bytes, options}`. The longest matching prefix of the
      path applies, compared by whole segments. A path that matches none has no limit

          plug Quota.Plug, to: MyAppWeb.Router,
            limits: [{"/upload", Quota.mib(64), status: 413}, {"/", Quota.mib(16)}]

    * `:status` - the HTTP status on a breach, from 400 to 599; 503 by default. 413 suits routes whose memory depends on the client's data
    * `:retry_after` - seconds in the `retry-after` header when the pool is full; 1 by default
    * `:label` - a term, or a function of the conn. By default the method and the route: the route that a router has matched before, the
      prefix of `:limits`, or the plug's name. Never the path, which has the values of the route's variables
    * the options of `Quota.run/3`, except `:node` and `:retry`: `:timeout`, `:pool`, `:pool_timeout`, `:inherit`, `:count`, ...

  The keys of `:inherit` are copied to the work, and back when it ends; so are Logger metadata and Plug's CSRF token.
  The [guide on routes](routes.md) shows where to place the plug, and the differences inside it.

  Raises `ArgumentError` for invalid options when the pipeline is built. Exceptions of the plug are raised again.
  """

  alias Quota.Account.BreachLog
  alias Quota.{ExceededError, PoolFullError, Run, TimeoutError}
  alias Quota.Plug.{Options, Owner, Work}
  alias Quota.Run.FlatSize

  @typedoc "A `Plug.Conn`, which is an optional dependency."
  @type conn :: struct
  @typedoc "An option of the plug and of `run/4`: those of `Quota.run/3`, and the response to a breach."
  @type option ::
          Quota.limit_option()
          | {:timeout, timeout}
          | {:inherit, [term]}
          | {:status, 400..599}
          | {:retry_after, non_neg_integer}

  # A status that servers do not log: they write a report for 500 to 599, and the line is logged here.
  @unlogged 499
  # RFC 9113, 7: INTERNAL_ERROR.
  @internal_error 2

  @doc "Checks the options; called by `plug/2`."
  @spec init(keyword) :: term
  def init(opts), do: Options.new(opts)

  @doc "Runs the plug `:to` with the limit of this conn."
  @spec call(conn, term) :: conn
  def call(
        %{__struct__: Plug.Conn} = conn,
        %Options{plug: plug, plug_options: plug_options} = opts
      ) do
    case Options.for_conn(conn, opts) do
      nil -> plug(conn, plug, plug_options)
      {limit, options} -> run_limited(conn, limit, &plug(&1, plug, plug_options), options)
    end
  end

  defp plug(conn, plug, options) when is_atom(plug), do: plug.call(conn, options)
  defp plug(conn, fun, nil), do: fun.(conn)

  @doc """
  Runs `fun` with `conn` and at most `limit` bytes, for one plug or controller action. Returns the conn that it returns, or on a breach, a
  timeout or a full pool a halted one: see "Responses".

      def report(conn, params) do
        Quota.Plug.run(conn, Quota.mib(64), &send_report(&1, params), timeout: 10_000)
      end

  Options as for the plug, without `:to`, `:limit` and `:limits`.
  """
  @spec run(conn, Quota.limit(), (conn -> conn), [option]) :: conn
  def run(%{__struct__: Plug.Conn} = conn, limit, fun, opts \\ []) when is_function(fun, 1) do
    options = Options.merge!(%Options{}, opts, limit)
    run_limited(conn, limit, fun, Options.labelled(options, conn, nil))
  end

  defp run_limited(conn, limit, fun, options) do
    {serving, inner} = Owner.open(conn, sendable(limit, options.run[:mode]))
    keys = Work.keys(Keyword.get(options.run, :inherit, []))
    run_options = Keyword.put(options.run, :inherit, keys)
    work = fn -> Work.run(fun, inner, keys) end

    try do
      Quota
      |> Run.run(limit, work, run_options, {serving, &Owner.serve(serving, &1, &2)})
      |> Owner.returned(serving)
    catch
      :error, reason -> failed(Owner.restore(reason, serving), __STACKTRACE__, serving, options)
    after
      Owner.close(serving)
    end
  end

  # With `mode: :observe` the work may send more than its limit, but not so much that the node fails, as with results.
  defp sendable(_limit, :observe), do: FlatSize.deliverable()
  defp sendable(limit, _enforce), do: limit

  defp failed(reason, stack, serving, options) do
    case refusal(reason, options) do
      nil ->
        :erlang.raise(:error, reason, stack)

      {error, status, headers} ->
        response = Owner.response(serving)
        log(error, status, response)
        conn = Owner.conn(serving)

        if response == :none,
          do: answer(conn, status, headers),
          else: cut_off(conn, error, response, stack)
    end
  end

  # Errors of this run: those of one nested in it have another label, and are the application's. Native memory is refused
  # within the work, where a plug may have wrapped the exception.
  defp refusal(%{__struct__: Plug.Conn.WrapperError, reason: reason}, options),
    do: refusal(reason, options)

  defp refusal(%{label: label} = error, options) do
    if label == Keyword.fetch!(options.run, :label), do: answer_to(error, options)
  end

  defp refusal(_reason, _options), do: nil

  defp answer_to(%ExceededError{} = error, options), do: {error, options.status, []}
  defp answer_to(%TimeoutError{} = error, _options), do: {error, 504, []}

  defp answer_to(%PoolFullError{} = error, options),
    do: {error, 503, [{"retry-after", Integer.to_string(options.retry_after)}]}

  defp answer_to(_error, _options), do: nil

  # A full pool is reported by events and figures. A log line for each refusal would make an overload worse.
  defp log(%PoolFullError{}, _status, _response), do: :ok
  defp log(error, status, :none), do: BreachLog.log(error, "Quota.Plug answered #{status}: ")
  defp log(error, _status, _), do: BreachLog.log(error, "Quota.Plug had the connection closed: ")

  defp answer(conn, status, headers) do
    conn = %{conn | resp_headers: headers ++ conn.resp_headers, halted: true}
    apply(Plug.Conn, :send_resp, [conn, status, ""])
  end

  # A part of a response must not look complete, so it is not ended: the exception makes the server close the connection.
  defp cut_off(conn, error, response, stack) do
    if response == :begun, do: reset(conn.adapter)
    :erlang.raise(:error, Map.put(error, :plug_status, @unlogged), stack)
  end

  # Bandit sends nothing when a plug raises after an HTTP/2 response has begun: the client would wait for ever.
  defp reset({Bandit.Adapter, %{transport: %{__struct__: Bandit.HTTP2.Stream} = stream}}) do
    error = Bandit.HTTP2.Errors.StreamError

    if Code.ensure_loaded?(error) and Code.ensure_loaded?(Bandit.HTTPTransport) do
      reason = apply(error, :exception, [[message: "cut off", error_code: @internal_error]])
      apply(Bandit.HTTPTransport, :send_on_error, [stream, reason])
    end
  end

  defp reset(_adapter), do: :ok
end

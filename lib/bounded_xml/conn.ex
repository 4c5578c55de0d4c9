defmodule BoundedXml.Conn do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Parses the body of a request while it is read, without holding all of it in memory.

  Needs Plug 1.14 or later. Works inside `Quota.Plug`, and inside `Quota.run/3` if the server allows another process to
  read the body.
  """

  alias BoundedBinary.DecodeError

  @piece_bytes 65_536

  @max_bytes 8 * 1024 * 1024
  @largest 9_223_372_036_854_775_807

  @typedoc "A `Plug.Conn`, which is an optional dependency."
  @type conn :: struct
  @typedoc "An option of `with_body/3`: bytes, and milliseconds for each read."
  @type option :: {:max_bytes, pos_integer | :infinity} | {:read_timeout, timeout}

  @doc """
  Calls `fun` with the body of the request, as a source for `BoundedXml.stream/2` or `select/3`. Returns
  `{result, conn}`: the result of `fun` and the conn after the body was read.

      {count, conn} =
        BoundedXml.Conn.with_body(conn, [max_bytes: Quota.mib(200)], fn source ->
          source |> BoundedXml.select("rss/channel/item") |> Enum.count()
        end)

      Plug.Conn.send_resp(conn, 200, "\#{count} items")

  Use the returned conn from then on: the old one does not record how much of the body was read, and would break the
  next request of the connection. If `fun` raises, no conn is returned, so rescue errors that need a response inside
  `fun`.

  Only the process that called `with_body/3` can read the source, and only during the call. The body is read once: a second
  enumeration continues where the first one stopped. The server reads or discards the rest of the body.

  ## Options

    * `:max_bytes` - maximum size of the body, or `:infinity`; 8 MiB by default. A larger `content-length` is refused
      before anything is read
    * `:read_timeout` - milliseconds to wait for each piece of 64 KiB, 15,000 by default

  ## Raises

    * `BoundedBinary.DecodeError` - kind `:limit`, `plug_status` 413: the body has more than `:max_bytes`; kind `:truncated`,
      `plug_status` 400: it could not be read to its end
    * `ArgumentError` - an invalid option, or another process or a later call read the source
    * the exceptions of `fun`, such as `BoundedXml.ParseError`, and of the server's adapter when the client disconnects
  """
  @spec with_body(conn, [option], (Enumerable.t() -> result)) :: {result, conn} when result: var
  def with_body(%{__struct__: Plug.Conn} = conn, opts, fun) when is_function(fun, 1) do
    options = options!(opts)
    declared!(conn, options.max_bytes)
    key = {__MODULE__, make_ref()}
    Process.put(key, {conn, 0, :more})

    try do
      result = fun.(source(key, options))
      {conn, _, _} = Process.get(key)
      {result, conn}
    after
      Process.delete(key)
    end
  end

  defp options!(opts) do
    Quota.Options.keyword!(opts)
    options = Map.new(Keyword.validate!(opts, max_bytes: @max_bytes, read_timeout: 15_000))
    max_bytes!(options.max_bytes)
    read_timeout!(options.read_timeout)
    options
  end

  defp max_bytes!(:infinity), do: :ok
  defp max_bytes!(max) when is_integer(max) and max in 1..@largest, do: :ok

  defp max_bytes!(max) do
    raise ArgumentError,
          ":max_bytes must be a positive integer or :infinity, got: #{inspect(max)}"
  end

  defp read_timeout!(:infinity), do: :ok
  defp read_timeout!(timeout) when is_integer(timeout) and timeout >= 0, do: :ok

  defp read_timeout!(timeout) do
    raise ArgumentError,
          ":read_timeout must be a number of milliseconds from 0, or :infinity, got: #{inspect(timeout)}"
  end

  defp declared!(conn, max_bytes) do
    with {_, length} <- List.keyfind(conn.req_headers, "content-length", 0),
         {length, ""} <- Integer.parse(length),
         true <- length > max_bytes do
      too_large(max_bytes)
    end
  end

  defp source(key, options) do
    read = [length: @piece_bytes, read_length: @piece_bytes, read_timeout: options.read_timeout]
    Stream.resource(fn -> nil end, fn nil -> next(key, options.max_bytes, read) end, & &1)
  end

  defp next(key, max_bytes, read) do
    case Process.get(key) do
      {_conn, _size, :done} ->
        {:halt, nil}

      {conn, size, :more} ->
        piece(key, conn, size, max_bytes, read)

      nil ->
        raise ArgumentError,
              "the body can be read only inside BoundedXml.Conn.with_body/3, by the process that called it"
    end
  end

  defp piece(key, conn, size, max_bytes, read) do
    case apply(Plug.Conn, :read_body, [conn, read]) do
      {:error, reason} ->
        raise DecodeError.new(
                :truncated,
                "the body of the request could not be read: #{inspect(reason)}"
              )

      {state, bytes, conn} ->
        size = size + byte_size(bytes)
        Process.put(key, {conn, size, if(state == :ok, do: :done, else: :more)})
        # `:infinity` is larger than any number.
        if size > max_bytes, do: too_large(max_bytes)
        {[bytes], nil}
    end
  end

  defp too_large(max_bytes) do
    raise DecodeError.new(
            :limit,
            "the body of the request has more than #{max_bytes} bytes (option max_bytes)"
          )
  end
end

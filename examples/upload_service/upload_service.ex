defmodule Examples.UploadService do
  @moduledoc """
  An upload service: a limit for each route, one pool for all of them, and a page that shows live what requests take.

      ERL_LIBS=FOLDER mix run examples/upload_service/run.exs [PORT]

  FOLDER has Plug and a server, Bandit or Plug.Cowboy: they are no dependency of this project. Then open the page.

  | route | what it does with the body | its limit |
  | --- | --- | --- |
  | `POST /files` | hashes it in pieces | 4 MiB, for a file of any size |
  | `POST /feeds` | counts its `feed/entry` elements in pieces | 16 MiB |
  | `POST /images` | decodes all of it in memory, 16 bytes a byte | 64 MiB, so that 8 MB are too large: 413 |
  | `GET /`, `GET /memory` | the page, and its figures as JSON | none |

  With the library this module is `use Plug.Builder` and `plug Quota.Plug, to: Examples.UploadService.Router, limits: [...]`.
  """

  alias Examples.UploadService.Router

  @pool __MODULE__.Pool
  @pool_size Quota.mib(512)
  # What a client sends decides what these take: 413 tells it so.
  @limits [{"/files", Quota.mib(4)}, {"/feeds", Quota.mib(16)}, {"/images", Quota.mib(64)}]
  @options [status: 413, timeout: 60_000, pool: @pool, pool_timeout: 2_000]

  def init(_options) do
    limits = for {prefix, limit} <- @limits, do: {prefix, limit, @options}
    Quota.Plug.init(to: Router, limits: limits)
  end

  def call(conn, limited), do: Quota.Plug.call(conn, limited)

  @doc "What a supervisor starts before the server."
  def pool, do: {Quota.Pool, name: @pool, size: @pool_size}

  @doc "What the page shows: the node's memory, the limits, the requests that run and what the pool has promised, in bytes."
  def figures do
    running =
      for %{label: "POST " <> prefix, usage: usage, limit: limit, age: age} <- Quota.list(),
          do: %{route: prefix, total: usage.total, limit: limit, age: age}

    %{
      memory: :erlang.memory(:total),
      limits: Map.new(@limits),
      running: running,
      pool: %{size: @pool_size, reserved: Quota.Pool.info(@pool).reserved}
    }
  end

  def main(args) do
    port = args |> List.first("4000") |> String.to_integer()
    {:ok, _} = Application.ensure_all_started(:bounded)

    case server(port) do
      nil ->
        IO.puts(:stderr, "It needs Plug, and Bandit or Plug.Cowboy: ERL_LIBS names their folder.")
        System.halt(1)

      server ->
        {:ok, _} = Supervisor.start_link([pool(), server], strategy: :one_for_one)
        IO.puts("http://localhost:#{port} shows what its requests take. Ctrl-C ends it.")
        Process.sleep(:infinity)
    end
  end

  @doc "The child specification of the server that is there, or nil."
  def server(port) do
    cond do
      Code.ensure_loaded?(Bandit) ->
        {:ok, _} = Application.ensure_all_started(:bandit)
        {Bandit, plug: __MODULE__, port: port, ip: :loopback, startup_log: false}

      Code.ensure_loaded?(Plug.Cowboy) ->
        {:ok, _} = Application.ensure_all_started(:plug_cowboy)
        options = [port: port, ip: {127, 0, 0, 1}]
        {Plug.Cowboy, scheme: :http, plug: __MODULE__, options: options}

      true ->
        nil
    end
  end
end

defmodule Examples.UploadService.Router do
  @moduledoc false
  # With the library: `use Plug.Router`, `get "/"` and `post "/files"`.

  alias Examples.UploadService

  @external_resource Path.join(__DIR__, "page.html")
  @page File.read!(@external_resource)
  @most Quota.mib(512)
  @piece 64 * 1024

  def init(options), do: options

  def call(%{method: "GET", path_info: []} = conn, _), do: answer(conn, 200, "text/html", @page)

  def call(%{method: "GET", path_info: ["memory"]} = conn, _),
    do: answer(conn, 200, "application/json", json(UploadService.figures()))

  def call(%{method: "POST", path_info: ["files"]} = conn, _) do
    {{bytes, hash}, conn} =
      pieces(conn, {0, :crypto.hash_init(:sha256)}, fn piece, {bytes, hash} ->
        {bytes + byte_size(piece), :crypto.hash_update(hash, piece)}
      end)

    sum = hash |> :crypto.hash_final() |> Base.encode16(case: :lower) |> binary_part(0, 8)
    done(conn, "#{bytes} bytes, SHA-256 #{sum}...")
  end

  def call(%{method: "POST", path_info: ["feeds"]} = conn, _) do
    {count, conn} =
      BoundedXml.Conn.with_body(conn, [max_bytes: @most], fn source ->
        source |> BoundedXml.select("feed/entry") |> Enum.count()
      end)

    done(conn, "#{count} entries")
  end

  # As code that knows no limit does: all of the body, and more than that of what it is made into.
  def call(%{method: "POST", path_info: ["images"]} = conn, _) do
    {parts, conn} = pieces(conn, [], fn piece, parts -> [parts | piece] end)
    pixels = parts |> IO.iodata_to_binary() |> :binary.bin_to_list()
    done(conn, "#{length(pixels)} pixels, mean #{div(Enum.sum(pixels), max(length(pixels), 1))}")
  end

  def call(conn, _), do: answer(conn, 404, "text/plain", "")

  # The body in pieces, of which none is kept. The last conn is the one to go on with.
  defp pieces(conn, state, fun) do
    case apply(Plug.Conn, :read_body, [conn, [length: @piece, read_length: @piece]]) do
      {:more, piece, conn} -> pieces(conn, fun.(piece, state), fun)
      {:ok, piece, conn} -> {fun.(piece, state), conn}
    end
  end

  defp done(conn, what) do
    usage = Quota.usage()
    answer(conn, 200, "application/json", json(%{what: what, peak: usage.peak}))
  end

  defp answer(conn, status, type, body) do
    headers = [{"content-type", type <> "; charset=utf-8"} | conn.resp_headers]
    apply(Plug.Conn, :send_resp, [%{conn | resp_headers: headers}, status, body])
  end

  # Keys and strings here have nothing that JSON escapes.
  defp json(map) when is_map(map) do
    pairs = for {key, value} <- map, do: [?", to_string(key), ?", ?:, json(value)]
    [?{, Enum.intersperse(pairs, ?,), ?}]
  end

  defp json(list) when is_list(list),
    do: [?[, list |> Enum.map(&json/1) |> Enum.intersperse(?,), ?]]

  defp json(number) when is_integer(number), do: Integer.to_string(number)
  defp json(text) when is_binary(text), do: [?", text, ?"]
end

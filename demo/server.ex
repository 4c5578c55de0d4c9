defmodule Demo.Server do
  @moduledoc false
  # OTP's httpd, taking uploads of XML. Each request does its work under `Quota.run/3`, or without a quota.

  alias Demo.Upload

  @piece 65_536

  @doc "Starts it on loopback and returns its port. `limit` is that of each request, in bytes, or nil."
  def start(limit) do
    :persistent_term.put({__MODULE__, :limit}, limit)
    root = String.to_charlist(System.tmp_dir!())

    {:ok, pid} =
      :inets.start(:httpd,
        port: 0,
        bind_address: {127, 0, 0, 1},
        server_name: ~c"demo",
        server_root: root,
        document_root: root,
        modules: [:mod_esi],
        erl_script_alias: {~c"/demo", [__MODULE__]},
        erl_script_timeout: 120,
        # Without it httpd gathers the whole body, as a list of characters, before anyone sees it.
        max_client_body_chunk: @piece
      )

    :httpd.info(pid)[:port]
  end

  ## What a URL names: /demo/Elixir.Demo.Server/count and so on

  def upload(session, _env, input), do: receive_body(session, input, &count/1)
  def hoard(session, _env, input), do: receive_body(session, input, &length(Enum.to_list(&1)))
  def collect(session, _env, input), do: receive_body(session, input, &collect_binaries(&1, []))

  @doc "The right way: the number of items, one event at a time."
  def count(events) do
    Enum.reduce(events, 0, fn
      {:start_element, {"item", _}}, items -> items + 1
      _, items -> items
    end)
  end

  # A bug: a loop that never ends and keeps a binary each time.
  defp collect_binaries(events, kept) do
    collect_binaries(events, [:binary.copy(<<1>>, 1_000_000) | kept])
  end

  # httpd calls with each piece of the body, each time in a new process that must return or be answered. The
  # first piece is not always called that.
  defp receive_body(session, {:first, piece}, handler) do
    receive_body(session, {:continue, piece, :undefined}, handler)
  end

  defp receive_body(session, {place, piece, :undefined}, handler) do
    receive_body(session, {place, piece, Upload.start(session, &work(&1, handler))}, handler)
  end

  defp receive_body(session, {place, piece, upload}, _handler) do
    :ok = Upload.put(upload, piece)
    if place == :last, do: answer(upload, session), else: {:continue, upload}
  end

  defp answer(upload, session) do
    {status, text} = Upload.finish(upload)
    head = "status: #{status}\r\ncontent-type: text/plain; charset=utf-8\r\n\r\n"
    :mod_esi.deliver(session, String.to_charlist(head))
    :mod_esi.deliver(session, text)
  end

  defp work(pieces, handler) do
    {"200 OK", Integer.to_string(limited(fn -> handler.(BoundedXml.stream(pieces)) end))}
  rescue
    error in BoundedXml.ParseError -> {"400 Bad Request", Exception.message(error)}
    error in Quota.ExceededError -> {"413 Payload Too Large", Exception.message(error)}
  end

  defp limited(fun) do
    case :persistent_term.get({__MODULE__, :limit}) do
      nil -> fun.()
      limit -> Quota.run(limit, fun, label: "upload")
    end
  end
end

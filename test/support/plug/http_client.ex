defmodule Bounded.HTTPClient do
  @moduledoc false
  # A small HTTP client that sees what a client sees: whether a response came whole, was cut off or never came.
  # HTTP/2 is that of one connection with prior knowledge, and needs HPAX to read headers.

  @timeout 15_000

  @type response ::
          {status :: pos_integer, headers :: list, body :: binary, :whole | :cut} | :nothing

  def connect(port) do
    options = [:binary, active: false, packet: :raw, nodelay: true]
    {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, options)
    socket
  end

  def close(socket), do: :gen_tcp.close(socket)

  @doc "One request and its response on a connection that may be used again."
  def request(socket, method, path, headers \\ [], body \\ "") do
    start(socket, method, path, headers, body)
    response(socket, method)
  end

  @doc "Sends a request, and its body unless the headers say how that comes."
  def start(socket, method, path, headers \\ [], body \\ "") do
    length = if body == "", do: [], else: [{"content-length", "#{byte_size(body)}"}]

    lines =
      for {name, value} <- [{"host", "localhost"} | headers] ++ length,
          do: [name, ": ", value, "\r\n"]

    :gen_tcp.send(socket, [method, " ", path, " HTTP/1.1\r\n", lines, "\r\n", body])
  end

  @doc "The response, or `:nothing` where the connection was closed without one."
  def response(socket, method \\ "GET") do
    case read_head(socket, "") do
      {:ok, status, headers, rest} -> body(socket, method, status, headers, rest)
      :closed -> :nothing
    end
  end

  defp read_head(socket, read) do
    case :binary.split(read, "\r\n\r\n") do
      [head, rest] ->
        [line | lines] = String.split(head, "\r\n")
        [_, status | _] = String.split(line, " ")
        headers = for line <- lines, do: line |> :binary.split(": ") |> List.to_tuple()
        {:ok, String.to_integer(status), headers, rest}

      [_] ->
        with {:ok, bytes} <- recv(socket), do: read_head(socket, read <> bytes)
    end
  end

  defp body(socket, _method, status, _headers, rest) when status in 100..199 and status != 101 do
    case read_head(socket, rest) do
      {:ok, status, headers, rest} -> body(socket, "GET", status, headers, rest)
      :closed -> :nothing
    end
  end

  defp body(socket, method, status, headers, rest) do
    cond do
      method == "HEAD" or status in [101, 204, 304] ->
        {status, headers, rest, :whole}

      {"transfer-encoding", "chunked"} in headers ->
        chunks(socket, {status, headers, ""}, rest)

      true ->
        {_, length} = List.keyfind(headers, "content-length", 0, {"", :unknown})
        sized(socket, {status, headers, rest}, length)
    end
  end

  defp sized(_socket, {status, headers, body}, length) when byte_size(body) == length,
    do: {status, headers, body, :whole}

  defp sized(socket, {status, headers, body} = so_far, length) do
    length = if is_binary(length), do: String.to_integer(length), else: length

    if byte_size(body) == length do
      sized(socket, so_far, length)
    else
      case recv(socket) do
        {:ok, bytes} -> sized(socket, {status, headers, body <> bytes}, length)
        :closed -> {status, headers, body, :cut}
      end
    end
  end

  defp chunks(socket, {status, headers, body}, rest) do
    with [size, data] <- :binary.split(rest, "\r\n"),
         length = String.to_integer(size, 16),
         true <- byte_size(data) >= length + 2 do
      chunk = binary_part(data, 0, length)
      rest = binary_part(data, length + 2, byte_size(data) - length - 2)

      if length == 0,
        do: {status, headers, body, :whole},
        else: chunks(socket, {status, headers, body <> chunk}, rest)
    else
      _ ->
        case recv(socket) do
          {:ok, bytes} -> chunks(socket, {status, headers, body}, rest <> bytes)
          :closed -> {status, headers, body, :cut}
        end
    end
  end

  defp recv(socket) do
    case :gen_tcp.recv(socket, 0, @timeout) do
      {:ok, bytes} -> {:ok, bytes}
      {:error, :timeout} -> raise "the server sent nothing for #{@timeout} ms"
      {:error, _} -> :closed
    end
  end

  @doc "Opens a WebSocket: RFC 6455."
  def websocket(port, path) do
    socket = connect(port)
    key = Base.encode64(:crypto.strong_rand_bytes(16))

    headers = [
      {"connection", "Upgrade"},
      {"upgrade", "websocket"},
      {"sec-websocket-version", "13"},
      {"sec-websocket-key", key}
    ]

    {101, _, "", :whole} = request(socket, "GET", path, headers)
    socket
  end

  @doc "Sends a text of less than 126 bytes, and returns the text that comes back, or `:closed`."
  def say(socket, text) do
    # A mask of zeros leaves the text as it is.
    :ok = :gen_tcp.send(socket, [<<0x81, 0x80 + byte_size(text), 0::32>>, text])

    case recv(socket) do
      {:ok, <<0x81, length, reply::binary>>} when byte_size(reply) == length -> reply
      :closed -> :closed
    end
  end

  # HTTP/2: RFC 9113. Types of frames, and flags.
  @data 0
  @headers 1
  @reset 3
  @settings 4
  @goaway 7
  @acknowledged 1
  @end_stream 1
  @end_headers 4

  # SETTINGS_HEADER_TABLE_SIZE 0: each response can be read without those before it.
  @no_table <<1::16, 0::32>>

  def connect2(port) do
    socket = connect(port)

    :ok =
      :gen_tcp.send(socket, [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        frame(@settings, 0, 0, @no_table),
        # Of those that the server has sent: Cowboy waits for it for five seconds.
        frame(@settings, @acknowledged, 0, "")
      ])

    {socket, 1}
  end

  @doc "One request and its response on stream `id`; `{response, connection}`."
  def request2({socket, id}, method, path, headers \\ [], body \\ "") do
    pseudo = [
      {":method", method},
      {":scheme", "http"},
      {":path", path},
      {":authority", "localhost"}
    ]

    block = for {name, value} <- pseudo ++ headers, do: literal(name, value)
    flags = if body == "", do: @end_headers + @end_stream, else: @end_headers
    :ok = :gen_tcp.send(socket, frame(@headers, flags, id, IO.iodata_to_binary(block)))
    if body != "", do: :gen_tcp.send(socket, frame(@data, @end_stream, id, body))
    {read2(socket, id, {nil, [], ""}, ""), {socket, id + 2}}
  end

  defp frame(type, flags, id, payload),
    do: [<<byte_size(payload)::24, type, flags, id::32>>, payload]

  # RFC 7541, 6.2.2: literal header field without indexing, new name.
  defp literal(name, value), do: [<<0, byte_size(name)>>, name, <<byte_size(value)>>, value]

  defp read2(socket, id, so_far, <<length::24, type, flags, from::32, rest::binary>>)
       when byte_size(rest) >= length do
    payload = binary_part(rest, 0, length)
    rest = binary_part(rest, length, byte_size(rest) - length)
    frame2(socket, id, so_far, {type, flags, from, payload}, rest)
  end

  defp read2(socket, id, so_far, read) do
    case recv(socket) do
      {:ok, bytes} -> read2(socket, id, so_far, read <> bytes)
      :closed -> cut2(so_far)
    end
  end

  defp frame2(socket, id, {status, headers, body}, {type, flags, id, payload}, rest)
       when type in [@headers, @data] do
    so_far =
      if type == @data,
        do: {status, headers, body <> payload},
        else: headers2({status, headers, body}, payload)

    if Bitwise.band(flags, @end_stream) == 1,
      do: ended2(so_far, :whole),
      else: read2(socket, id, so_far, rest)
  end

  defp frame2(_socket, id, so_far, {@reset, _, id, _}, _rest), do: cut2(so_far)
  defp frame2(_socket, _id, so_far, {@goaway, _, _, _}, _rest), do: cut2(so_far)
  defp frame2(socket, id, so_far, _frame, rest), do: read2(socket, id, so_far, rest)

  defp headers2({_status, _headers, body}, block) do
    {:ok, headers, _} = apply(HPAX, :decode, [block, table()])
    {[{_, status}], headers} = Enum.split_with(headers, &match?({":status", _}, &1))
    {String.to_integer(status), headers, body}
  end

  defp table, do: apply(HPAX, :new, [4096])

  defp cut2({nil, _, _}), do: :nothing
  defp cut2(so_far), do: ended2(so_far, :cut)

  defp ended2({status, headers, body}, how), do: {status, headers, body, how}
end
